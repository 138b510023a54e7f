/** Formats times, in local time or in UTC. */

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const UNITS = {s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5, y: 315576e5};
const STEPS = ["1s", "5s", "15s", "1m", "5m", "15m", "30m", "1h", "3h", "6h", "12h", "1d", "2d", "1w", "4w", "13w", "1y", "5y", "50y"];

let utc = false;

export function useUtc(chosen) { utc = chosen; }

const offset = (at) => (utc ? 0 : new Date(at).getTimezoneOffset() * UNITS.m);
const local = (at) => iso(at - offset(at)).replace("T", " ");
const dated = (text) => (text.startsWith(local(Date.now()).slice(0, 4)) ? `${MONTHS[text.slice(5, 7) - 1]} ${text.slice(8, 10)}` : text.slice(0, 10));

/** Return the time of day of a timestamp of the API: "08:31:07.120". */
export const clock = (timestamp) => local(Date.parse(timestamp)).slice(11, 23);

/** Return the date: "Nov 27", or "2017-11-27" in another year than this. */
export const day = (timestamp) => dated(local(Date.parse(timestamp)));

/** Return the whole timestamp: "2026-11-27 08:31:07.120456 UTC". */
export const full = (timestamp) => `${local(Date.parse(timestamp)).slice(0, 20)}${timestamp.slice(20, 26)} ${zone(Date.parse(timestamp))}`;

/** Return the time zone: "UTC" or "UTC+02:00". */
export function zone(at = Date.now()) {
	const ahead = -offset(at);
	return ahead ? `UTC${ahead < 0 ? "−" : "+"}${iso(Math.abs(ahead)).slice(11, 16)}` : "UTC";
}

/** Return an instant in a form that suits the length of the span around it: "08:31:07", "08:31", "Nov 27". */
export function short(at, span) {
	const text = local(at);
	if (span > 4 * UNITS.d) return span > UNITS.y ? text.slice(0, 7) : dated(text);
	const time = text.slice(11, span < UNITS.h ? 19 : 16);
	return /^[0:]+$/.test(time) ? `${dated(text)} ${time}` : time;
}

/** Return date and time: "Nov 27 08:31". */
export const exact = (at) => `${dated(local(at))} ${local(at).slice(11, at % UNITS.m ? 19 : 16)}`;

/** Return up to five round instants between two instants, for an axis. */
export function ticks(from, to) {
	const step = STEPS.map(milliseconds).find((each) => (to - from) / each <= 5);
	const found = [];
	for (let at = Math.ceil((from - offset(to)) / step) * step + offset(to); at < to; at += step) found.push(at);
	return found;
}

/** Return a length of time of the API, such as "15m", in milliseconds, or NaN if the text is none. */
export const milliseconds = (text) => (/^\d{1,6}[smhdwy]$/.test(text) ? parseInt(text, 10) * UNITS[text.at(-1)] : NaN);

/** Return the instant of a time parameter of the API (`-15m`, RFC 3339), or NaN if the text is none. */
export const instant = (text) => (text.startsWith("-") ? Date.now() - milliseconds(text.slice(1)) : Date.parse(text));

export const iso = (at) => new Date(at).toISOString();
