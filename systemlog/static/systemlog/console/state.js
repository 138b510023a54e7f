/** The state of the console. It is the query string of the URL: the parameters of the API's list, and some of the page. */

const OWN = ["around", "columns", "cursor", "live", "record", "zone"];
const TYPED = ["query", "since", "until"];
const SELECTIVE = ["correlation_id", "trace_id", "subject", "user_id", "group"];
const DEFAULT_SINCE = "-24h";

let parameters = new URLSearchParams(location.search);
let widened = false; // whether the default time span had no records, so all of time is shown
let listener;

export const get = (name) => parameters.get(name) ?? "";
export const columns = () => (parameters.get("columns") ?? "category").split(",").filter(Boolean);

/** Return the filters as pairs of name and value, without time and typed text. */
export const filters = () => [...parameters].filter(([name, value]) => value && ![...OWN, ...TYPED].includes(name));

/** Return whether no filter, text or time is set. */
export const isFirstVisit = () => !filters().length && !TYPED.some(get);

/** Return the start of the shown time: the chosen one, else 24 hours ago; "" for all of time if a filter selects few records. */
export const since = () => parameters.get("since") ?? (widened || ["until", ...SELECTIVE].some(get) ? "" : DEFAULT_SINCE);

/** Show all of time, if the default time span is shown now. Returns whether it was. */
export function widen() {
	const possible = since() === DEFAULT_SINCE && !parameters.has("since");
	widened ||= possible;
	return possible;
}

/** Return the query string of a search in the API, with the parameters `more`. */
export function search(more, time = {since: since(), until: get("until")}) {
	const found = new URLSearchParams(filters());
	for (const [name, value] of Object.entries({query: get("query"), ...time, ...more})) {
		for (const each of [value].flat()) if (each) found.append(name, each);
	}
	return found;
}

/** Return the query string with some changes: a value or list of values sets a parameter, null removes it. */
export function changed(changes) {
	const next = new URLSearchParams(parameters);
	for (const [name, value] of Object.entries({cursor: null, ...changes})) {
		next.delete(name);
		for (const each of [value].flat()) if (each !== null) next.append(name, each);
	}
	return next;
}

/** Change parameters. Adds an entry to the browser's history, or with `replace` changes the current one. */
export function set(changes, replace) {
	const text = String(changed(changes));
	if (text === String(parameters)) return;
	history[replace ? "replaceState" : "pushState"](null, "", `?${text}`);
	read();
}

function read() {
	parameters = new URLSearchParams(location.search);
	listener();
}

/** Call a function after every change, made by the page or by the browser's back and forward buttons. */
export function onChange(called) {
	listener = called;
	addEventListener("popstate", read);
}

const without = (name, value) => parameters.getAll(name).filter((each) => each !== value);

/** Filter by a value: `Only` keeps the records that have it; any other word excludes them. */
export function filter(verb, field, value) {
	const not = `${field}!`;
	if (verb === "Only") set({[field]: value, [not]: without(not, value), around: null});
	else set({[field]: without(field, value), [not]: [...without(not, value), value], around: null});
}

export const remove = (name, value) => set({[name]: without(name, value)});
