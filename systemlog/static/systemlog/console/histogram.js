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
let about = ""; // a sign before numbers of which some are estimates
let current = 0; // the bar that the Tab key reaches
let from = null; // the bar at which a selection begins, made by dragging or with the keyboard
let pressedX = 0;

const start = (index) => buckets[0].at + index * interval;
const within = (index) => Math.max(0, Math.min(buckets.length - 1, index));
const percent = (index) => `${index / buckets.length * 100}%`;
const sum = (counts) => counts.reduce((total, count) => total + count, 0);
const narrow = (first, last) => ({since: iso(start(Math.min(first, last))), until: iso(start(Math.max(first, last) + 1)), live: null, around: null});

/** Show a response of the API. The bar with the focus keeps it. */
export function showHistogram(answer) {
	const focused = bars.contains(document.activeElement) ? buckets[current]?.at : Infinity;
	const before = buckets[0]?.at;
	interval = milliseconds(answer.interval);
	about = answer.approximate ? "≈ " : "";
	buckets = answer.buckets.map(({timestamp, levels}) => ({at: Date.parse(timestamp), levels}));
	current = Math.max(0, buckets.findLastIndex(({at}) => at <= focused));
	if (buckets[0]?.at !== before) stop();
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
	const selecting = from;
	const counts = buckets.map(({levels}) => sum(Object.values(levels)));
	const largest = Math.max(0, ...counts);
	fill(bars, buckets.map(({at, levels}, index) => {
		const link = el("a", {href: `?${state.changed(narrow(index, index))}`, draggable: "false", tabindex: index === current ? "0" : "-1"}, `${exact(at)}: ${counts[index]}`);
		return el("div", {role: "row"}, el("span", {role: "rowheader"}, link), LEVELS.filter((level) => levels[level]).map((level) =>
			el("span", {role: "cell", "data-level": level, style: {height: `${levels[level] / largest * 100}%`}}, `${level} ${levels[level]}`)));
	}));
	if (focused) {
		bars.querySelectorAll("a")[current]?.focus();
		from = selecting; // the browser reported a loss of focus
		if (from !== null) select(current);
	}
	most.textContent = largest ? about + number(largest) : "";
	const marks = buckets.length ? ticks(start(0), start(buckets.length)).map((at) => [(at - start(0)) / interval, short(at, interval * buckets.length)]) : [];
	if (state.get("live")) marks.push([buckets.length, "now"]);
	// A label near an edge stands beside its tick, where there is room.
	fill(axis, marks.map(([index, text]) => el(text === "now" ? "span.now" : index < buckets.length / 25 ? "span.first" : index > buckets.length * 0.9 ? "span.last" : "span", {style: {left: percent(index)}}, el("small", text))));
}

/** Show the counts of a bucket next to it. */
function describe(index) {
	const bucket = buckets[index];
	show(tooltip, bucket);
	if (!bucket) return;
	const rows = LEVELS.filter((level) => bucket.levels[level]).map((level) => el("p", {"data-level": level}, el("i"), level, el("b", about + number(bucket.levels[level]))));
	fill(tooltip, el("strong", `${exact(bucket.at)} – ${exact(bucket.at + interval).slice(-5)}`), rows.length ? rows : el("p", "no records"));
	place(tooltip, index + 0.5, index);
}

/** Mark the time from the bar where the selection began to another bar, and say how many records it has. */
function select(index) {
	const [low, high] = [Math.min(from, index), Math.max(from, index) + 1];
	const found = sum(buckets.slice(low, high).flatMap(({levels}) => Object.values(levels)));
	describe(-1);
	place(band, low, low);
	band.style.width = percent(high - low);
	fill(selected, `${exact(start(low))} – ${exact(start(high))}: ${number(found)}`);
}

function place(element, left, index) {
	element.style.left = percent(left);
	element.classList.toggle("leftwards", index > buckets.length / 2);
}

function bucketAt({clientX}) {
	const {left, width} = box.getBoundingClientRect();
	return within(Math.floor((clientX - left) / width * buckets.length));
}

/** Drop the selection. */
function stop() {
	from = null;
	fill(selected);
	describe(-1);
}

function zoom(last) {
	const first = from ?? last;
	stop();
	state.set(narrow(first, last));
}

const holds = ({pointerId}) => box.hasPointerCapture(pointerId);
box.addEventListener("pointerdown", (event) => {
	if (event.button || !buckets.length) return;
	[from, pressedX] = [bucketAt(event), event.clientX];
	box.setPointerCapture(event.pointerId);
});
box.addEventListener("pointermove", (event) => {
	if (!buckets.length) return;
	if (holds(event) && Math.abs(event.clientX - pressedX) >= DRAG_PX) select(bucketAt(event));
	else describe(bucketAt(event));
});
box.addEventListener("pointerup", (event) => holds(event) && zoom(bucketAt(event)));
box.addEventListener("pointercancel", stop);
box.addEventListener("pointerleave", () => describe(-1));
box.addEventListener("focusout", ({relatedTarget}) => box.contains(relatedTarget) || stop());
box.addEventListener("click", (event) => {
	event.preventDefault();
	if (!event.detail) zoom(current); // the Enter key; pointer events are handled above
});
box.addEventListener("keydown", (event) => {
	const {key, shiftKey} = event;
	const step = {ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity}[key];
	if (!step && (key !== "Escape" || from === null)) return;
	event.preventDefault(); // or Escape would close the record too
	if (!step) return stop();
	const links = bars.querySelectorAll("a");
	if (!shiftKey) stop();
	else from ??= current;
	links[current].tabIndex = -1;
	current = within(current + step);
	links[current].tabIndex = 0;
	links[current].focus();
	if (shiftKey) select(current);
	else describe(current);
});
