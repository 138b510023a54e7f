/** The keyboard shortcuts of the console. They are off while the user types, and with Ctrl, Alt or Meta. */

import * as state from "./state.js";

const TYPING = "input, textarea, select, dialog, [popover]";

/** `actions`: move(step), moveToError(step), open(), close(), search(), live(), help(). */
export function listen({move, moveToError, open, close, search, live, help}) {
	const keys = {
		"/": search, "?": help, l: live, j: () => move(1), k: () => move(-1), e: () => moveToError(1), E: () => moveToError(-1),
		"+": ({target}) => filterBy("Only", target), "-": ({target}) => filterBy("Not", target),
	};
	const inGrid = {
		Enter: open, ArrowDown: keys.j, ArrowUp: keys.k, PageDown: () => move(20), PageUp: () => move(-20), Home: () => move(-Infinity), End: () => move(Infinity),
	};
	document.addEventListener("keydown", (event) => {
		const {target, key} = event;
		if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
		if (key === "Escape" && !document.querySelector("dialog[open], :popover-open")) close();
		if (target.closest(TYPING)) return;
		const action = keys[key] ?? (target.closest("[role=grid]") && inGrid[key]);
		if (!action) return;
		event.preventDefault();
		action(event);
	});
}

function filterBy(verb, target) {
	const {field, value} = target.closest("[data-value]")?.dataset ?? {};
	if (value) state.filter(verb, field, value);
}
