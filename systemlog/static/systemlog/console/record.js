/** The drawer at the right: one record with all its fields, its context and the frames of its exception. */

import {ask} from "./api.js";
import {longText, traceback, tree} from "./context.js";
import {button, copyButton, el, fill, parts, root, signs} from "./dom.js";
import * as state from "./state.js";
import {full} from "./times.js";

const FIELDS = ["level", "category", "source", "user_id", "correlation_id", "trace_id", "subject", "group"];
const NO_RECORD = "00000000-0000-0000-0000-000000000000"; // the placeholder for the id in the URL of a record's page
const WIDTH = "systemlog.record.width";
const {record: box, content, badge, handle} = parts;

let shown = "";
let controller = new AbortController();

/** Show the record with this id, or close the drawer if there is no id. */
export async function showRecord(id) {
	if (id === shown) return;
	shown = id;
	controller.abort();
	controller = new AbortController();
	box.hidden = !id;
	if (!id) return;
	try {
		render(await ask(`${encodeURIComponent(id)}/`, "", controller));
	} catch (error) {
		if (error.name === "AbortError") return;
		fill(content, el("p.message", `${error.message}. ${error.words ?? ""} `, button(".link", "Try again", () => { shown = ""; showRecord(id); })));
	}
	content.scrollTop = 0;
}

/** Forget the shown record, so that it is drawn again, for example in another time zone. */
export function forget() { shown = ""; }

function render(record) {
	const rest = {...record.context};
	const traces = ["exception", "stack"].filter((key) => typeof rest[key] === "string");
	for (const key of traces) delete rest[key];
	badge.textContent = badge.dataset.level = record.level;
	fill(parts.title, record.category);
	fill(content, longText("pre.message", record.message), links(record),
		traces.map((key) => [el("h3", inWords(key)), traceback(record.context[key])]),
		el("h3", "Fields"), el("dl", fact("time", full(record.timestamp)), FIELDS.map((name) => record[name] && fact(name, record[name], true)),
			record.recorded_by && fact("recorded_by", record.recorded_by), fact("id", record.id)),
		el("h3", "Context"), Object.keys(rest).length ? tree(rest) : el("p.hint", "Nothing more was recorded."));
}

const inWords = (name) => name[0].toUpperCase() + name.slice(1).replace("_", " ");

function fact(name, value, filtered) {
	return el("div", filtered ? {"data-field": name, "data-value": value} : {}, el("dt", inWords(name)), el("dd", longText("span.value", value), filtered && signs(name, value)));
}

function links(record) {
	const link = (href, text) => el("a.control.small", {href}, text);
	const by = ["correlation_id", "trace_id"].find((name) => record[name]);
	return el("div.links", by && link(`${root.dataset.story}?${new URLSearchParams({[by]: record[by]})}#first-error`, "Request"),
		link(`?${state.changed({around: record.id, live: null})}`, "Surrounding records"),
		link(root.dataset.record.replace(NO_RECORD, record.id), "Permalink"),
		record.group && link(root.dataset.record.replace(`systemlog/${NO_RECORD}`, `group/${record.group}`), "Error group"),
		copyButton(".control.small", "Copy JSON", () => JSON.stringify(record, null, 2)));
}

// The handle between the list and the drawer. It can be dragged, or moved with the arrow keys.
handle.addEventListener("pointerdown", (event) => { handle.setPointerCapture(event.pointerId); event.preventDefault(); });
handle.addEventListener("pointermove", (event) => handle.hasPointerCapture(event.pointerId) && widen(box.getBoundingClientRect().right - event.clientX));
handle.addEventListener("keydown", ({key}) => widen(box.offsetWidth + ({ArrowLeft: 40, ArrowRight: -40}[key] ?? 0)));
widen(localStorage.getItem(WIDTH) ?? 440);

function widen(wanted) {
	const width = Math.round(Math.max(280, Math.min(wanted, innerWidth - 360)));
	box.style.setProperty("--width", `${width}px`);
	handle.ariaValueNow = width;
	localStorage.setItem(WIDTH, width);
}
