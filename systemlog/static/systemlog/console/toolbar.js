/** The toolbar: the search box, the active filters, the choice of time and columns, and the export. */

import {ask} from "./api.js";
import {button, el, fill, onSubmit, parts, root, show} from "./dom.js";
import * as state from "./state.js";
import {exact, instant, iso} from "./times.js";

const MAY_BE_ID = /^[^\s:"-]\S*$|correlation_id/;
const RELATIVE = /^(-.*|)$/;
const {box, spans, range, choose, chips} = parts;
const presets = [...spans.querySelectorAll("button")];
let looked = {}; // the text that was looked up last, and its story

export function focusSearch() { box.focus(); box.select(); }

/** Return the chosen time span as text. */
export function timeInWords() {
	const [since, until] = [state.since(), state.get("until")];
	const preset = !until && presets.find(({value}) => value === since);
	if (preset) return preset.textContent;
	const [from, to] = [since, until].map((text) => (RELATIVE.test(text) || Number.isNaN(instant(text)) ? text : exact(instant(text))));
	return from && to ? `${from} – ${to}` : from ? `Since ${from}` : `Until ${to}`;
}

/** Update the toolbar to the state. */
export function showToolbar() {
	box.value = state.get("query");
	fill(chips, state.filters().map(([name, value]) => {
		const text = `${name.replace("!", "")} ${name.endsWith("!") ? "≠" : "="} ${value}`;
		return el(name.endsWith("!") ? "li.not" : "li", el("span", {title: text}, text), button("", "✕", () => state.remove(name, value), {"aria-label": `Remove ${text}`}));
	}));
	show(chips, state.filters().length);
	chips.classList.toggle("off", state.get("around"));
	parts.export.href = `${root.dataset.api}export/?${state.search()}`;
	parts.csv.href = `${parts.export.href}&format=csv`;
	parts.time.textContent = timeInWords();
	for (const each of presets) each.ariaCurrent = each.textContent === timeInWords() ? "true" : null;
	[range.elements.since.value, range.elements.until.value] = [state.since(), state.get("until")];
	for (const name of state.columns()) {
		if (!choose.elements[name]) choose.append(el("label.check", el("input", {type: "checkbox", name}), name));
	}
	for (const each of choose.elements) each.checked = state.columns().includes(each.name);
}

/** Return the story of a pasted id or problem body, or an empty answer if the text is a search. */
export async function storyOf(text) {
	if (looked.text !== text) looked = {text, story: MAY_BE_ID.test(text) && await ask(`${root.dataset.story}link/`, new URLSearchParams({text})).catch(() => null)};
	return looked.story;
}

/** Set up the toolbar. `onSame()` is called if the same text is submitted again. */
export function listen(onSame) {
	onSubmit(box, null, async () => {
		const text = box.value.trim();
		looked = {};
		const story = await storyOf(text);
		// A plain word may also be an id, but is more likely a search.
		if (story?.url && (story.certain || /[^a-z]/i.test(text))) { location.href = story.url; return; }
		if (text === state.get("query")) onSame();
		state.set({query: text || null, around: null});
	});
	// A pasted problem body has line breaks, which the search box would remove.
	box.addEventListener("paste", (event) => {
		const text = event.clipboardData.getData("text");
		if (!text.includes("correlation_id")) return;
		event.preventDefault();
		box.value = text.replace(/\s+/g, " ");
	});
	spans.addEventListener("click", ({target}) => target.type === "button" && setTime(target.value, ""));
	onSubmit(range, parts.apply, () => {
		const [since, until] = ["since", "until"].map((name) => range.elements[name].value.trim());
		const bad = [since, until].find((text) => text && Number.isNaN(instant(text)));
		show(parts.untimely, bad);
		fill(parts.untimely, bad && `“${bad}” is no time. Write -15m, -7d or 2026-11-24T08:30:00Z.`);
		if (!bad) setTime(...[since, until].map((text) => (RELATIVE.test(text) ? text : iso(instant(text)))));
	});
	choose.addEventListener("change", () => state.set({columns: [...choose.elements].filter(({checked}) => checked).map(({name}) => name).join()}, true));
}

function setTime(since, until) {
	spans.parentNode.hidePopover();
	state.set({since, until: until || null, around: null});
}
