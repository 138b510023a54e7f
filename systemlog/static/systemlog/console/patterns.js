/** Patterns: the messages of the newest records of the search, counted by template. */

import {ask} from "./api.js";
import {button, el, fill, parts} from "./dom.js";
import * as state from "./state.js";
import {asLine, number} from "./text.js";

const RECORDS = 1000;
const SHOWN = 100;
const MOST_PHRASES = 8;
const LONGEST_PHRASE = 100;
const VALUES = /\*|%(?:\(\w+\))?[-+ #0]*[\d.]*[a-z]|\{[^}]*\}|["\n\\]/i; // of a template, and what no phrase can hold
const LEVELS = ["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"];
const {patterns, counted} = parts;

/** Set up the popover, which counts each time it opens. */
export function listen() {
	patterns.parentNode.addEventListener("toggle", async ({newState}) => {
		if (newState !== "open") return;
		fill(patterns);
		fill(counted, "Counting…");
		try {
			const {items, records} = await ask("patterns/", state.search({limit: RECORDS}));
			const rarer = items.length - SHOWN;
			fill(counted, records ? `of the newest ${number(records)} records` + (rarer > 0 ? `, without ${number(rarer)} rarer ones` : "") : "There are no records.");
			fill(patterns, items.slice(0, SHOWN).map(entry));
		} catch (error) {
			fill(counted, `${error.message}. ${error.words}`);
		}
	});
}

function entry({template, count, levels}) {
	const phrases = template.split(VALUES).map((piece) => piece.trim().slice(0, LONGEST_PHRASE)).filter((piece) => piece.length > 1).slice(0, MOST_PHRASES);
	const name = asLine(template);
	const find = () => {
		patterns.parentNode.hidePopover();
		state.set({query: [state.get("query"), ...phrases.map((phrase) => `"${phrase}"`)].join(" ").trim(), around: null});
	};
	return el("li", {"data-level": LEVELS.find((level) => levels[level])}, el("span.number", number(count)),
		phrases.length ? button(".choice", name, find, {title: name}) : el("span.choice", {title: name}, name));
}
