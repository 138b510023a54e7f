/**
 * The histogram: a table of counts by time, drawn as bars stacked by level. Dragging across it narrows the time. Each
 * bar is a link to its own time span, and the arrow keys move between bars.
 */

import {el, fill, parts, show} from "./dom.js";
import * as state from "./state.js";
import {number} from "./text.js";
import {exact, iso, milliseconds, short, ticks} from "./times.js";

const LEVELS = ["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"];
const DRAG_PX = 4; // a shorter movement is a click
const {histogram: box, bars, axis, most, tooltip, band, selected} = parts;

let buckets = [];
let interval = 1;
let pressed = null; // {x, index} of the place where the pointer was pressed
let current = 0; // the bar that the Tab key reaches

const start = (index) => buckets[0].at + index * interval;
const within = (index) => Math.max(0, Math.min(buckets.length - 1, index));
const percent = (index) => `${index / buckets.length * 100}%`;
const narrow = (first, last) => ({since: iso(start(Math.min(first, last))), until: iso(start(Math.max(first, last) + 1)), live: null, around: null});

/** Show a response of the API. */
export function showHistogram(answer) {
	interval = milliseconds(answer.interval);
	buckets = answer.buckets.map(({timestamp, levels}) => ({at: Date.parse(timestamp), levels}));
	current = buckets.length - 1;
	draw();
}

/** Add records from the live tail to the counts. The next response of the API replaces them. */
export function add(records) {
	if (!buckets.length) return;
	for (const {timestamp, level} of records) {
		const index = Math.floor((Date.parse(timestamp) - start(0)) / interval);
		if (index === buckets.length) buckets.push({at: start(index), levels: {}});
		const levels = buckets[index]?.levels;
		if (levels) levels[level] = (levels[level] ?? 0) + 1;
	}
	draw();
}

/** Return parameters for twice the shown time span. */
export function wider() {
	const half = buckets.length / 2;
	return {since: iso(start(-half)), until: iso(Math.min(Date.now(), start(3 * half))), live: null};
}

function draw() {
	const focused = bars.contains(document.activeElement);
	const counts = buckets.map(({levels}) => Object.values(levels).reduce((sum, count) => sum + count, 0));
	const largest = Math.max(0, ...counts);
	fill(bars, buckets.map(({at, levels}, index) => {
		const link = el("a", {href: `?${state.changed(narrow(index, index))}`, draggable: "false", tabindex: index === current ? "0" : "-1"}, `${exact(at)}: ${counts[index]}`);
		return el("div", {role: "row"}, el("span", {role: "rowheader"}, link), LEVELS.filter((level) => levels[level]).map((level) =>
			el("span", {role: "cell", "data-level": level, style: {height: `${levels[level] / largest * 100}%`}}, `${level} ${levels[level]}`)));
	}));
	if (focused) bars.querySelectorAll("a")[current]?.focus();
	most.textContent = largest ? number(largest) : "";
	const marks = buckets.length ? ticks(start(0), start(buckets.length)).map((at) => [(at - start(0)) / interval, short(at, interval * buckets.length)]) : [];
	if (state.get("live")) marks.push([buckets.length, "now"]);
	fill(axis, marks.map(([index, text]) => el(text === "now" ? "span.now" : "span", {style: {left: percent(index)}}, el("small", text))));
}

/** Show the counts of a bucket next to it. */
function describe(index) {
	const bucket = buckets[index];
	show(tooltip, bucket);
	if (!bucket) return;
	const rows = LEVELS.filter((level) => bucket.levels[level]).map((level) => el("p", {"data-level": level}, el("i"), level, el("b", number(bucket.levels[level]))));
	fill(tooltip, el("strong", `${exact(bucket.at)} – ${exact(bucket.at + interval).slice(-5)}`), rows.length ? rows : el("p", "no records"));
	place(tooltip, index + 0.5, index);
}

function place(element, left, index) {
	element.style.left = percent(left);
	element.classList.toggle("leftwards", index > buckets.length / 2);
}

function bucketAt({clientX}) {
	const {left, width} = box.getBoundingClientRect();
	return within(Math.floor((clientX - left) / width * buckets.length));
}

function stop() {
	pressed = null;
	show(band, false);
	describe(-1);
}

box.addEventListener("pointerdown", (event) => {
	if (event.button || !buckets.length) return;
	pressed = {x: event.clientX, index: bucketAt(event)};
	box.setPointerCapture(event.pointerId);
});
box.addEventListener("pointermove", (event) => {
	if (!buckets.length) return;
	const index = bucketAt(event);
	const dragging = pressed && Math.abs(event.clientX - pressed.x) >= DRAG_PX;
	describe(dragging ? -1 : index);
	if (!dragging) return;
	const [low, high] = [Math.min(pressed.index, index), Math.max(pressed.index, index) + 1];
	show(band, true);
	place(band, low, low);
	band.style.width = percent(high - low);
	selected.textContent = `${exact(start(low))} – ${exact(start(high))}`;
});
box.addEventListener("pointerup", (event) => {
	const from = pressed?.index;
	stop();
	if (from !== undefined) state.set(narrow(from, bucketAt(event)));
});
for (const name of ["pointercancel", "pointerleave", "focusout"]) box.addEventListener(name, stop);
box.addEventListener("click", (event) => {
	event.preventDefault();
	if (!event.detail) state.set(narrow(current, current)); // the Enter key; pointer events are handled above
});
box.addEventListener("keydown", (event) => {
	const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
	if (!step) return;
	event.preventDefault();
	const links = bars.querySelectorAll("a");
	links[current].tabIndex = -1;
	current = within(current + step);
	links[current].tabIndex = 0;
	links[current].focus();
	describe(current);
});
