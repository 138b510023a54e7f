/** The facets: counts of records by level, category and source, and by the values in `context` of the newest records. */

import {button, el, fill, parts, signs} from "./dom.js";
import * as state from "./state.js";
import {number} from "./text.js";

const SHOWN = 8;
const opened = new Set(); // facets that the user has opened to show all values, and unfolded fields

export const FIELDS = ["level", "category", "source"];

/** Show the counts of one field. */
export function showFacet(answer) {
	const {field, values, other, approximate, complete} = answer;
	const total = values.reduce((sum, {count}) => sum + count, other);
	const rows = values.map(({value, count}) => valueRow(field, value, count, total));
	section(field, approximate ? "estimated" : complete === false && "partial", el("ul"), rows, () => showFacet(answer), other > 0 && el("p.hint", `${number(other)} in rarer ones`));
}

/** Show the keys in the `context` of the newest records, with their most frequent values. */
export function showFields(answer) {
	const {sampled, fields} = answer;
	section("context", fields.length && `of the newest ${number(sampled)}`, el("div"), fields.map(statistics), () => showFields(answer));
}

/** Show that some facets could not be counted. The others are not affected. */
export function showFailure(names, problem, again) {
	for (const name of names) section(name, "", el("div"), [el("p.hint", `${problem.message}. `, button(".link", "Try again", again))]);
}

/** Write a section: its name, a remark and its rows. A button shows the rows beyond the first few. */
function section(name, remark, list, rows, again, more) {
	const shown = opened.has(name) ? rows : rows.slice(0, SHOWN);
	const rest = rows.length - shown.length;
	const focused = parts[name].contains(document.activeElement) && document.activeElement.ariaLabel;
	fill(parts[name], el("h2", name[0].toUpperCase() + name.slice(1), remark && el("small", remark)), rows.length ? fill(list, shown) : el("p.hint", "None"),
		rest > 0 && button(".link", `${rest} more`, () => { opened.add(name); again(); }), more);
	if (focused) parts[name].querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
}

function statistics({field: name, count, share, values}) {
	const columns = state.columns();
	const shown = columns.includes(name);
	const toggle = () => state.set({columns: (shown ? columns.filter((each) => each !== name) : [...columns, name]).join()}, true);
	const ontoggle = ({target}) => opened[target.open ? "add" : "delete"](name);
	return el("details", {open: opened.has(name) && "open", ontoggle}, el("summary", el("span.name", name.slice(8)), el("span.number", `${Math.round(100 * share)} %`)),
		el("ul", values.map(({value, count: times}) => valueRow(name, value, times, count))),
		button(".link", shown ? "Remove the column" : "Show as a column", toggle));
}

function valueRow(field, value, count, total) {
	return el("li", {"data-field": field, "data-value": value, "data-level": field === "level" && value},
		el("span.line", {onclick: () => value && state.filter("Only", field, value)}, el("span.name", {title: value}, value || "(empty)"), el("span.number", number(count))),
		value && signs(field, value), el("i.share", {style: {width: `${100 * count / total}%`}}));
}
