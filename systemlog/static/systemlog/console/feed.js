/** The records on the page, newest first: pages of a search, and records from the live tail. At most `MAX_ROWS`. */

import {askPatiently} from "./api.js";
import * as state from "./state.js";

export const MAX_ROWS = 20000;
const FIRST_PAGE = 100;
const PAGE = 500;
const LARGE_PAGE = 2000;
const SHOWN_CHARACTERS = 400;
const FIELDS = ["id", "timestamp", "level", "category", "source", "user_id", "correlation_id", "trace_id", "subject"];

export let rows = [];
export let total = 0;
export let exact = true; // false if there may be more than `total`
export let searchedUntil = null; // the time back to which an incomplete search came
export let full = false; // whether there are more records than the page can hold
export let hit = ""; // the id of the record whose neighbors are shown

let ids = new Set();
let next = null; // the query string of the next older page
let loading = null; // the request of an older page, while it runs

/** Return the parts of a record that a row shows. The rest, up to 128 KiB, is not kept in memory. */
function slim(record) {
	const row = Object.fromEntries(FIELDS.map((name) => [name, record[name]]));
	row.message = cut(record.message);
	for (const column of state.columns()) {
		if (column.startsWith("context.")) row[column] = member(record.context, column.slice(8));
	}
	return row;
}

/** Return the beginning of a text. It goes through JSON, because a slice would keep the whole text in memory. */
const cut = (text) => (text.length > SHOWN_CHARACTERS ? JSON.parse(JSON.stringify(text.slice(0, SHOWN_CHARACTERS))) : text);

/** Return the value at a path of the context. As in the API, a dot separates keys or is part of a key. */
function member(value, path) {
	for (let dot = path.length; value && dot > 0; dot = path.lastIndexOf(".", dot - 1)) {
		const found = value[path.slice(0, dot)];
		if (found === undefined) continue;
		if (dot < path.length) return member(found, path.slice(dot + 1));
		return cut(typeof found === "string" ? found : JSON.stringify(found));
	}
	return "";
}

/** Compare two records for the order newest first. Positive if `a` comes after `b`. */
const compare = (a, b) => (a.timestamp < b.timestamp || (a.timestamp === b.timestamp && a.id < b.id) ? 1 : -1);

/** Forget all rows. */
export function clear() {
	[rows, total, exact, searchedUntil, full, hit, next, ids] = [[], 0, true, null, false, "", null, new Set()];
}

/** Search again. The rows stay unchanged until the response arrives. */
export async function search(patience) {
	const around = state.get("around");
	const page = around ? await askPatiently(`${encodeURIComponent(around)}/around/`, "before=25&after=25&same=source", patience)
		: await askPatiently("", state.search({limit: FIRST_PAGE}), patience);
	clear();
	take(page);
	[hit, total, exact] = [around, page.total ?? rows.length, page.total_relation !== "gte"];
}

/** Load the next older page. Returns false if there is none. */
export function older(patience, size = PAGE) {
	if (!next || full) return false;
	loading ??= loadOlder(patience, size).finally(() => { loading = null; });
	return loading;
}

async function loadOlder(patience, size) {
	const query = new URLSearchParams(next);
	query.set("limit", Math.min(size, MAX_ROWS - rows.length));
	take(await askPatiently("", query, patience));
	full = next !== null && rows.length >= MAX_ROWS;
	return true;
}

/** Return the newest error that is older than all rows, or undefined. Loads the rows down to it, unless they are too many. */
export async function olderError(patience) {
	if (!next) return undefined;
	const query = state.search({limit: PAGE}, {since: state.since(), until: rows.at(-1).timestamp});
	if (query.get("min_level") !== "CRITICAL") query.set("min_level", "ERROR");
	const before = new Set(ids); // further rows may be loaded meanwhile
	const {items} = await askPatiently("", query, patience);
	const found = items.find(({id}) => !before.has(id));
	while (found && !ids.has(found.id) && await older(patience, LARGE_PAGE));
	return found && slim(found);
}

function take(page) {
	next = page.next ? new URL(page.next, location.href).search : null;
	searchedUntil = page.complete === false ? page.searched_until : null;
	const fresh = unseen(page.items);
	for (const {id} of fresh) ids.add(id);
	rows = rows.concat(fresh);
}

/** Return whether a row is on the page. */
export const has = ({id}) => ids.has(id);

/** Return the rows of those records that are not on the page yet. */
export const unseen = (records) => records.filter(({id}) => !ids.has(id)).map(slim);

/** Insert rows at their places by time. A record may land late, so its place need not be the top. */
export function merge(fresh) {
	const merged = [];
	let index = 0;
	for (const row of fresh.filter(({id}) => !ids.has(id)).sort(compare)) {
		ids.add(row.id);
		while (index < rows.length && compare(rows[index], row) < 0) merged.push(rows[index++]);
		merged.push(row);
		total++;
	}
	rows = merged.concat(rows.slice(index));
	for (const {id} of rows.splice(MAX_ROWS)) {
		ids.delete(id);
		full = true;
	}
}
