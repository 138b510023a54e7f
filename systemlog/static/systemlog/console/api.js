/** Requests to the API: problem bodies become errors, and requests to a busy or unreachable server are retried. */

import {root} from "./dom.js";

const TRANSIENT = [0, 429, 502, 503, 504];
const LONGEST_WAIT_S = 30;

/** An error response of the API, with its problem body (RFC 9457). The status is 0 if there was no response. */
class Problem extends Error {
	constructor(status, body, headers) {
		super(body.title ?? (status ? `The server answered ${status}` : "The server does not answer"));
		const errors = body.errors ?? [];
		const words = errors.map(({parameter, detail}) => (parameter && parameter !== "query" ? `${parameter}: ${detail}` : detail)).join(" ") || body.detail || "";
		Object.assign(this, {status, errors, words, correlationId: body.correlation_id ?? headers?.get("X-Request-ID"), retryAfter: headers?.get("Retry-After") | 0});
	}
}

/** Send one request to a path below the API. Raises a `Problem`. */
export async function ask(path, query = "", {signal, method, body} = {}) {
	const address = new URL(path, new URL(root.dataset.api, location.href));
	address.search = query;
	// A request that reads has no headers, so that the browser takes the response that the page has preloaded.
	const headers = method ? {"X-CSRFToken": root.querySelector("[name=csrfmiddlewaretoken]").value, "Content-Type": "application/json"} : {};
	let response;
	try {
		response = await fetch(address, {signal, method, headers, body: body && JSON.stringify(body)});
		if (response.ok) return response.status === 204 ? null : await response.json();
	} catch (error) {
		throw error.name === "AbortError" ? error : new Problem(0, {});
	}
	throw new Problem(response.status, await response.json().catch(() => ({})), response.headers);
}

/** Send a request, and retry until the server answers. Calls `onProblem` on each failure. Raises permanent errors. */
export async function askPatiently(path, query, {signal, onProblem}) {
	for (let attempt = 0; ; attempt++) {
		try {
			return await ask(path, query, {signal});
		} catch (error) {
			await pause(backOff(error, attempt, onProblem), signal);
		}
	}
}

/** Call `onProblem`, and return the seconds until the next try: 1, 2, 4 and so on, or those of Retry-After if longer. */
export function backOff(error, attempt, onProblem) {
	if (!TRANSIENT.includes(error.status)) throw error;
	const wait = Math.min(LONGEST_WAIT_S, Math.max(error.retryAfter, 2 ** attempt));
	onProblem(error, wait);
	return wait;
}

/** Wait some seconds. Raises when the signal aborts. */
export const pause = (seconds, signal) => new Promise((resolve, reject) => {
	const stop = () => reject(signal.reason);
	signal.addEventListener("abort", stop, {once: true});
	setTimeout(() => {
		signal.removeEventListener("abort", stop); // or the tail would leave one each second
		resolve();
	}, seconds * 1000);
});
