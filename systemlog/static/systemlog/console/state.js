/** The state of the console is the URL's query string: the parameters of the API's list, and a few of the page's own. */

const OWN = ["around", "columns", "cursor", "live", "record", "zone"];
const TYPED = ["query", "since", "until"];
const SELECTIVE = ["correlation_id", "trace_id", "subject", "user_id", "group"];
const DEFAULT_SINCE = "-24h";

let parameters = new URLSearchParams(location.search);
let widened = false; // nothing was in the default span of time, so all of time is shown
let listener;

export const get = (name) => parameters.get(name) ?? "";
export const columns = () => (parameters.get("columns") ?? "category").split(",").filter(Boolean);

/** The filters as pairs of name and value, without time and typed text. */
export const filters = () => [...parameters].filter(([name, value]) => value && ![...OWN, ...TYPED].includes(name));

/** Whether nothing is chosen: neither filter nor text nor time. */
export const isFirstVisit = () => !filters().length && !TYPED.some(get);

/** The beginning of the shown time: as chosen; else a day, but all of time for what selects few records. */
export const since = () => parameters.get("since") ?? (widened || ["until", ...SELECTIVE].some(get) ? "" : DEFAULT_SINCE);

/** Show all of time, because nothing is in the default span; false if that is not what is shown. */
export function widen() {
	const possible = since() === DEFAULT_SINCE && !parameters.has("since");
	widened ||= possible;
	return possible;
}

/** The parameters of a search at the API, with `more`. */
export function search(more, time = {since: since(), until: get("until")}) {
	const found = new URLSearchParams(filters());
	for (const [name, value] of Object.entries({query: get("query"), ...time, ...more})) {
		for (const each of [value].flat()) if (each) found.append(name, each);
	}
	return found;
}

/** The query string after some changes: to a value or a list of values, or null to leave the parameter out. */
export function changed(changes) {
	const next = new URLSearchParams(parameters);
	for (const [name, value] of Object.entries({cursor: null, ...changes})) {
		next.delete(name);
		for (const each of [value].flat()) if (each !== null) next.append(name, each);
	}
	return next;
}

/** Change parameters: by a new entry of the history, or by `replace` of the present one. */
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

/** Call a function after every change, by the page or by the browser's back and forward. */
export function onChange(called) {
	listener = called;
	addEventListener("popstate", read);
}

const without = (name, value) => parameters.getAll(name).filter((each) => each !== value);

/** Filter by a value: `Only` the records that have it, or only those that do not. */
export function filter(verb, field, value) {
	const not = `${field}!`;
	if (verb === "Only") set({[field]: value, [not]: without(not, value), around: null});
	else set({[field]: without(field, value), [not]: [...without(not, value), value], around: null});
}

export const remove = (name, value) => set({[name]: without(name, value)});
