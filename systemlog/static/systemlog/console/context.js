/** The context of a record as a collapsible tree, with long texts shortened and Python tracebacks as frames. */

import {button, el, signs} from "./dom.js";
import {number} from "./text.js";

const PIECE = 100; // members that are built at a time, once the user opens a branch
const LONG = 2000; // characters of a text that are shown at first
const FILTERED = 500; // the longest value with buttons to filter by it
const MAX_DOTS = 5; // in a path, the limit of the API
const FRAME = /^ {2}File "(.+)", line (\d+), in (.+)$/;
const PACKAGE = /[\\/](site-packages|dist-packages|python\d[\d.]*)[\\/]|^</i;
const LEADS_ON = /^(The above exception was|During handling of the above)/;
const MARKERS = /^ {4}[ ^~]+$/; // the line that underlines the failed part of a line of code

/** Return the list of members of an object or array. The `path` is "" if the API cannot filter by these members. */
export function tree(value, path = "context", depth = 0) {
	const list = el("ul.tree");
	const keys = Object.keys(value);
	let shown = 0;
	const grow = () => {
		list.append(...keys.slice(shown, shown += PIECE).map((key) => member(key, value[key], Array.isArray(value) ? "" : path && `${path}.${key}`, depth)));
		if (shown >= keys.length) return;
		const more = el("li", button(".link", `${number(keys.length - shown)} more`, () => { more.remove(); grow(); }));
		list.append(more);
	};
	grow();
	return list;
}

function member(key, value, path, depth) {
	const name = el("span.key", key.slice(0, 200) || "(empty)");
	if (value && typeof value === "object") {
		const size = Object.keys(value).length;
		const fold = el("details", el("summary", name, el("span.size", Array.isArray(value) ? `[${number(size)}]` : `{${number(size)}}`)));
		const unfold = () => fold.open && !fold.querySelector("ul") && fold.append(tree(value, path, depth + 1));
		fold.addEventListener("toggle", unfold);
		fold.open = depth < 2 && size <= 20;
		unfold();
		return el("li", fold);
	}
	const text = typeof value === "string" ? value : JSON.stringify(value);
	const filtered = path && text && text.length <= FILTERED && path.split(".").length - 2 <= MAX_DOTS;
	return el("li", filtered ? {"data-field": path, "data-value": text} : {}, name, longText(`span.value.${typeof value}`, text), filtered && signs(path, text));
}

/** Return an element with a text that wraps. A long text is cut, and a button shows the rest. */
export function longText(name, text) {
	if (text.length <= LONG) return el(name, text);
	const whole = el(name, `${text.slice(0, LONG)}… `, button(".link", `all ${number(text.length)} characters`, () => whole.replaceWith(el(name, text))));
	return whole;
}

/** Return the element of a traceback. Frames of the project stand out; consecutive frames of packages are folded. */
export function traceback(text) {
	const items = [];
	let run = [];
	const flush = () => {
		items.push(...(run.length > 2 ? [el("li", el("details", el("summary", `${run.length} frames of packages`), el("ol", run)))] : run));
		run = [];
	};
	for (const piece of frames(text)) {
		if (!piece.file || piece.own) flush();
		if (piece.file) (piece.own ? items : run).push(frameOf(piece));
		else items.push(el("li", LEADS_ON.test(piece) ? piece : longText("pre.raised", piece)));
	}
	flush();
	return el("ol.frames", items);
}

/** Parse a traceback: frames are `{file, line, name, code, own}`, and everything else is text. */
function frames(text) {
	const pieces = [];
	for (const each of text.split("\n")) {
		const last = pieces.at(-1);
		const [, file, line, name] = FRAME.exec(each) ?? [];
		if (file) pieces.push({file, line, name, code: "", own: !PACKAGE.test(file)});
		else if (last?.file && each.startsWith("    ")) last.code ||= MARKERS.test(each) ? "" : each.trim();
		else if (!each.trim() || each.startsWith("Traceback (most")) continue;
		else if (typeof last === "string" && ![each, last].some((text) => LEADS_ON.test(text))) pieces[pieces.length - 1] += `\n${each}`;
		else pieces.push(each);
	}
	return pieces;
}

function frameOf({file, line, name, code, own}) {
	const short = file.replace(/^.*(site|dist)-packages./, "").split(/[\\/]/).slice(-3).join("/");
	return el(own ? "li.own" : "li", {title: file}, `${short}:${line} in `, el("b", name), code && el("code", code));
}
