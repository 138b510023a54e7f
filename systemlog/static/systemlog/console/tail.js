/** The live tail: polls the API each second for new records, with a cursor that skips and repeats none. */

import {ask, backOff, pause} from "./api.js";
import * as state from "./state.js";

const HIDDEN_MS = 5000;

let controller = new AbortController();

export const stop = () => controller.abort();

/**
 * Start polling. `onStart(signal)` must read the list again, which closes the gap between the list and the first cursor.
 * Further callbacks: `onRecords(items)`; `onGap()`, after which polling ends, if records may have been missed;
 * `onProblem(problem, seconds)`; `onRecovery()`.
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
			if (answer.gap) return onGap();
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
