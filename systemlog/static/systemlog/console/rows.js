/**
 * The grid of records. It draws only the rows in view, with a pool of elements. The distance of a record from the oldest
 * one, modulo the size of the pool, is the index of its element, so new records on top rewrite no other row. In the
 * document, the rows stand in the order of the list; only elements that get another record move there.
 */

import {el, fill, parts} from "./dom.js";
import * as state from "./state.js";
import {asLine, writeMarked} from "./text.js";
import {clock, day, full, zone} from "./times.js";

const SPARE = 12; // rows drawn above and below the visible part
const {grid, head, body, choose} = parts;
const narrow = matchMedia("(max-width: 760px)");
const pool = [];

export let rows = [];
export let active = ""; // the id of the active record
let hit = ""; // the id of a record that is marked
let pattern = null; // matches of it are marked in messages
let columns = [];
let version = 0; // incremented by each change that affects every row: columns, zone, pattern
let frame = 0;
let onEnd;

const height = () => (narrow.matches ? 44 : 24);
const first = () => Math.floor(grid.scrollTop / height());
const schedule = () => { frame ||= requestAnimationFrame(draw); };

const rowOf = (target) => rows[target.closest(".row")?.ariaRowIndex - 2];

export const atTop = () => grid.scrollTop < height() / 2;
export const toTop = () => { grid.scrollTop = 0; };
export const focus = () => grid.focus({preventScroll: true});

/** Set the callbacks: `onOpen(row)`, `onScroll()`, and `atEnd()`, called when the oldest rows come into view. */
export function listen(onOpen, onScroll, atEnd) {
	onEnd = atEnd;
	grid.addEventListener("scroll", () => { schedule(); onScroll(); }, {passive: true});
	body.addEventListener("click", ({target}) => {
		const row = rowOf(target);
		if (!row || !getSelection().isCollapsed) return;
		focus();
		onOpen(row);
	});
	// A row that gets the focus becomes the active one; the grid keeps the focus, because elements change their rows.
	body.addEventListener("focusin", ({target}) => {
		if (target.matches(":active")) return; // pressed by the mouse: to move the focus would end the selection of text
		active = rowOf(target)?.id ?? active;
		focus();
		draw();
	});
	new ResizeObserver(schedule).observe(grid);
	narrow.addEventListener("change", () => showRows(rows, hit));
}

/** Draw the head and all rows again. */
export function refresh(marks = pattern) {
	pattern = marks;
	version++;
	const label = (name) => choose.elements[name]?.parentNode.textContent ?? name.replace("context.", "");
	const labels = {time: `Time (${zone()})`, level: "Level", ...Object.fromEntries(state.columns().map((name) => [name, label(name)])), message: "Message"};
	columns = Object.keys(labels);
	fill(head, columns.map((name) => el("span", {role: "columnheader", "data-column": name}, labels[name])));
	schedule();
}

/** Show these rows, newest first. The rows in view stay in view. */
export function showRows(wanted, marked = "") {
	const top = first();
	const anchor = atTop() ? null : rows[top];
	const rest = grid.scrollTop - top * height();
	[rows, hit] = [wanted, marked];
	grid.ariaRowCount = rows.length + 1;
	body.style.height = `${rows.length * height()}px`;
	if (anchor) grid.scrollTop = Math.max(0, rows.findIndex(({id}) => id === anchor.id)) * height() + rest;
	schedule();
}

/** Make a record active, and scroll to it. */
export function activate(id) {
	active = id;
	const top = rows.findIndex((row) => row.id === id) * height();
	if (top >= 0) grid.scrollTop = Math.min(top, Math.max(top - grid.clientHeight + head.offsetHeight + height(), grid.scrollTop));
	draw();
}

/** Return the row `step` places below the active one, or the last row there. With `test`, the next row that passes it. */
export function neighbor(step, test) {
	const at = rows.findIndex(({id}) => id === active);
	const from = at < 0 ? first() - Math.sign(step) : at;
	if (!test) return rows[Math.max(0, Math.min(rows.length - 1, from + step))];
	return step > 0 ? rows.slice(from + 1).find(test) : rows.slice(0, Math.max(0, from)).findLast(test);
}

function draw() {
	cancelAnimationFrame(frame);
	frame = 0;
	const visible = Math.ceil(grid.clientHeight / height()) + 2 * SPARE;
	while (pool.length < visible) pool.push(el("div.row", {role: "row", id: `systemlog-row-${pool.length}`, tabindex: "-1"}));
	const from = Math.max(0, first() - SPARE);
	const to = Math.min(rows.length, from + visible);
	const elementOf = (index) => pool[(rows.length - 1 - index) % pool.length];
	const unused = new Set(pool);
	const kept = new Set(); // elements that stay where they are in the document
	for (let index = from; index < to; index++) {
		const element = elementOf(index);
		unused.delete(element);
		if (element.isConnected && element.record === rows[index].id) kept.add(element);
	}
	for (const element of unused) element.remove();
	grid.removeAttribute("aria-activedescendant");
	let place = body.firstElementChild;
	for (let index = from; index < to; index++) {
		const element = elementOf(index);
		while (place && !kept.has(place)) place = place.nextElementSibling;
		if (element === place) place = place.nextElementSibling;
		else body.insertBefore(element, place);
		element.style.bottom = `${(rows.length - 1 - index) * height()}px`;
		element.ariaRowIndex = index + 2;
		element.ariaSelected = rows[index].id === active;
		if (rows[index].id === active) grid.setAttribute("aria-activedescendant", element.id);
		write(element, rows[index], rows[index - 1]);
	}
	if (rows.length && to > rows.length - 50) onEnd();
}

/** Write a record into an element, unless the element has it already. A row shows the date only where it changes. */
function write(element, record, newer) {
	const today = day(record.timestamp);
	const date = newer && day(newer.timestamp) === today ? "" : today;
	const shown = [record.id, date, version, hit].join();
	if (element.shown === shown) return;
	element.shown = shown;
	element.record = record.id;
	if (element.version !== version) fill(element, columns.map((name) => el("span", {role: "gridcell", "data-column": name})));
	element.version = version;
	element.dataset.level = record.level;
	element.classList.toggle("hit", record.id === hit);
	columns.forEach((name, index) => {
		const cell = element.children[index];
		if (name !== "time") return writeMarked(cell, asLine(record[name] ?? ""), name === "message" && pattern);
		cell.title = full(record.timestamp);
		return fill(cell, date && el("b", date), ` ${clock(record.timestamp)}`);
	});
}
