/** Live tail: asks the API each second for what became visible since, by a cursor that misses and doubles nothing. */

import {ask, backOff, pause} from "./api.js";
import * as state from "./state.js";

const HIDDEN_MS = 5000;

let controller = new AbortController();

export const stop = () => controller.abort();

/**
 * `onStart(signal)` reads the list once more, which closes the gap between its page and the first cursor;
 * `onRecords(items)`; `onGap()` if records may have been missed; `onProblem(problem, seconds)`; `onRecovery()`.
 */
export async function start({onStart, onRecords, onGap, onProblem, onRecovery}) {
	stop();
	controller = new AbortController();
	const {signal} = controller;
	for (let after = "", wait = 0, failures = 0; ;) {
		try {
			await pause(wait, signal);
			const answer = await ask("tail/", state.search({limit: 1000, after}, {}), {signal});
			if (failures) onRecovery();
			failures = 0;
			if (answer.gap) onGap();
			if (!after) await onStart(signal);
			onRecords(answer.items);
			({after} = answer);
			wait = answer.more ? 0 : (document.hidden ? HIDDEN_MS : answer.poll_ms ?? 1000) / 1000;
		} catch (error) {
			if (signal.aborted) return;
			try {
				wait = backOff(error, failures++, onProblem);
			} catch {
				onProblem(error);
				return;
			}
		}
	}
}
