/** Messages to the user: the number of records, how far a search came, what failed, and what to do if nothing was found. */

import {button, copyButton, el, fill, parts, root, show} from "./dom.js";
import * as feed from "./feed.js";
import * as state from "./state.js";
import {number} from "./text.js";
import {full} from "./times.js";
import {timeInWords} from "./toolbar.js";

const {alert, mistake, note, empty} = parts;

/** Show what failed and what happens next. */
export function alertOf(problem, {seconds, again} = {}) {
	const id = problem.correlationId;
	const {column, length} = problem.errors?.find(({parameter}) => parameter === "query") ?? {};
	const [text, from] = [state.get("query"), column - 1];
	const word = column ? text.slice(from, from + length) : "";
	fill(alert, el("strong", problem.message), el("span", word && `“${word.slice(0, 80)}”: `, problem.words),
		id && el("span", "Correlation id ", el("code", id), " ", copyButton(".link", "Copy", () => id)),
		seconds && el("span.hint", `The page keeps its content. Trying again in ${seconds} s.`),
		again && button(".control", "Try again", again),
		[401, 403].includes(problem.status) && el("a.control", {href: location.href}, "Log in again"));
	show(alert, true);
	if (column) fill(mistake, text.slice(0, from), el("u", word || " "), text.slice(from + length));
	show(mistake, column);
}

/** Hide the alert. */
export function calm() {
	show(alert, false);
	show(mistake, false);
}

/** Show how many records were found, whether these are all, and how to continue. */
export function showStatus(older, remark) {
	const {rows, total, searchedUntil} = feed;
	fill(parts.status, el("strong", `${feed.exact ? "" : "at least "}${number(total)}`), total === 1 ? " record" : " records");
	if (feed.hit) say("around the marked one, of the same source, all filters off. ", button(".link", "Back to the search", () => state.set({around: null})));
	else if (searchedUntil) say(`Partial: the search came back to ${full(searchedUntil).slice(0, 19)}. `, button(".link", "Go on from there", older));
	else if (feed.full) say(`The page holds ${number(rows.length)}. `, button(".link", "Show older ones", () => state.set({until: rows.at(-1).timestamp, live: null})));
	else say(rows.length && remark);
	note.classList.toggle("warning", searchedUntil);
	const welcome = state.isFirstVisit() && !searchedUntil;
	show(empty, !rows.length && !welcome);
	show(parts.welcome, !rows.length && welcome);
	if (!rows.length) welcome ? parts.curl.textContent = `curl ${location.origin}${root.dataset.api} -H "Authorization: Bearer $TOKEN" \\\n  --json '{"message": "first record", "level": "WARNING"}'` : suggest();
}

/** Show a text beside the number of records. */
export function say(...words) { fill(note, words); }

/** Offer the story of a request, if there is one. */
export function offer(story) {
	show(parts.offer, story?.url);
	if (!story?.url) return;
	const {value, records} = story;
	const name = story.by === "trace_id" ? "trace" : "request";
	fill(parts.offer, state.get("query") ? [name[0].toUpperCase() + name.slice(1), " ", el("code", value)] : `This ${name}`,
		` has ${number(records)}${story.exact ? "" : "+"} ${records === 1 ? "record" : "records"}. `, el("a.link", {href: story.url}, "Open its story"));
}

/** If nothing was found, suggest which filters to remove. */
function suggest() {
	const drops = state.filters().map(([name, value]) => [`without ${name.replace("!", " ≠")} ${value}`.slice(0, 100), () => state.remove(name, value)]);
	if (state.get("query")) drops.push(["without the typed text", () => state.set({query: null})]);
	if (state.since() || state.get("until")) drops.push(["in all of time", () => state.set({since: "", until: null})]);
	fill(empty, el("h2", feed.searchedUntil ? "Nothing found so far" : "No records match"), el("p", `${timeInWords()}. Search again`),
		el("p", drops.map(([label, onclick]) => button(".control", label, onclick))));
}
