/** Asking the API: problems as errors, and patience with a server that is busy or away. */

import {root} from "./dom.js";

const TRANSIENT = [0, 429, 502, 503, 504];
const LONGEST_WAIT_S = 30;

/** An answer that is an error: a problem body (RFC 9457). Its status is 0 if there was no answer at all. */
class Problem extends Error {
	constructor(status, body, headers) {
		super(body.title ?? (status ? `The server answered ${status}` : "The server does not answer"));
		const errors = body.errors ?? [];
		const words = errors.map(({parameter, detail}) => (parameter && parameter !== "query" ? `${parameter}: ${detail}` : detail)).join(" ") || body.detail || "";
		Object.assign(this, {status, errors, words, correlationId: body.correlation_id ?? headers?.get("X-Request-ID"), retryAfter: headers?.get("Retry-After") | 0});
	}
}

/** Ask once, at a path below the API's. Raises a `Problem`. */
export async function ask(path, query = "", {signal, method, body} = {}) {
	const address = new URL(path, new URL(root.dataset.api, location.href));
	address.search = query;
	const headers = {Accept: "application/json"};
	if (method) Object.assign(headers, {"X-CSRFToken": root.querySelector("[name=csrfmiddlewaretoken]").value, "Content-Type": "application/json"});
	let response;
	try {
		response = await fetch(address, {signal, method, headers, body: body && JSON.stringify(body)});
		if (response.ok) return response.status === 204 ? null : await response.json();
	} catch (error) {
		throw error.name === "AbortError" ? error : new Problem(0, {});
	}
	throw new Problem(response.status, await response.json().catch(() => ({})), response.headers);
}

/** Ask until the server answers. `onProblem` is told of every try. Raises what no repetition can mend. */
export async function askPatiently(path, query, {signal, onProblem}) {
	for (let attempt = 0; ; attempt++) {
		try {
			return await ask(path, query, {signal});
		} catch (error) {
			await pause(backOff(error, attempt, onProblem), signal);
		}
	}
}

/** Tell of a problem, and return how many seconds to wait: 1, 2, 4 and so on, or as the server wishes. */
export function backOff(error, attempt, onProblem) {
	if (!TRANSIENT.includes(error.status)) throw error;
	const wait = Math.min(LONGEST_WAIT_S, Math.max(error.retryAfter, 2 ** attempt));
	onProblem(error, wait);
	return wait;
}

/** Wait some seconds; raises if the signal comes. */
export const pause = (seconds, signal) => new Promise((resolve, reject) => {
	setTimeout(resolve, seconds * 1000);
	signal.addEventListener("abort", () => reject(signal.reason), {once: true});
});
