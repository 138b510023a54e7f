/** The entry point of the console: connects the modules. The state, which is the URL, decides what is searched and shown. */

import {ask} from "./api.js";
import {parts, root, show} from "./dom.js";
import * as facets from "./facets.js";
import * as feed from "./feed.js";
import * as histogram from "./histogram.js";
import * as keys from "./keys.js";
import * as notices from "./notices.js";
import * as patterns from "./patterns.js";
import * as record from "./record.js";
import * as grid from "./rows.js";
import * as state from "./state.js";
import * as tail from "./tail.js";
import {termPattern} from "./text.js";
import {useUtc} from "./times.js";
import * as toolbar from "./toolbar.js";
import * as views from "./views.js";

const COUNT_AGAIN_MS = 15000; // the greatest age of the counts in live mode

let shown = {}; // the state that the page shows
let controller = new AbortController();
const waiting = new Map(); // new rows by id, held back while the user reads further down, at most MAX_ROWS
let counted = 0;

/** Update the page to the state. */
function sync() {
	const before = shown;
	const [columns, zone, live, id] = [state.columns().join(), state.get("zone"), state.get("live"), state.get("record")];
	shown = {look: `${zone} ${columns}`, live, search: [state.search(), state.get("around"), columns.includes("context.") && columns].join(" ")};
	useUtc(zone === "utc");
	parts.zone.textContent = zone === "utc" ? "UTC" : "Local time";
	parts.live.ariaPressed = live === "1";
	show(parts.wider, state.get("until"));
	toolbar.showToolbar();
	if (before.look !== shown.look) { record.forget(); grid.refresh(); }
	if (before.search !== shown.search) runSearch();
	else if (before.look !== shown.look) runCounts();
	if (before.live !== shown.live && before.search === shown.search) follow();
	record.showRecord(id);
	if (id && id !== grid.active) grid.activate(id);
}

/** Search and count again. The page keeps its content until the response arrives. */
async function runSearch(remark) {
	controller.abort();
	controller = new AbortController();
	const {signal} = controller;
	tail.stop();
	waiting.clear();
	show(parts.progress, true);
	try {
		await feed.search(patience());
		if (!feed.rows.length && !feed.searchedUntil && state.widen()) {
			await feed.search(patience());
			remark = "Nothing in the last 24 hours, so all of time is shown.";
			toolbar.showToolbar();
		}
		notices.calm();
		grid.toTop();
		grid.refresh(termPattern(state.get("query"), state.get("q")));
		showFeed(remark);
		if (feed.hit) grid.activate(feed.hit);
		runCounts();
		follow();
		const id = ["query", "correlation_id", "trace_id"].map(state.get).find(Boolean) ?? "";
		toolbar.storyOf(id).then((story) => signal.aborted || notices.offer(story));
	} catch (error) {
		if (signal.aborted) return;
		notices.alertOf(error, {again: error.status >= 500 && (() => runSearch())});
		if (error.status !== 400) return;
		feed.clear();
		grid.showRows([]);
		parts.status.textContent = "This search could not be made.";
		notices.say();
		notices.offer();
	} finally {
		if (!signal.aborted) show(parts.progress, false);
	}
}

const patience = () => ({signal: controller.signal, onProblem: (problem, seconds) => notices.alertOf(problem, {seconds})});

function showFeed(remark) {
	grid.showRows(feed.rows, feed.hit);
	notices.showStatus(loadOlder, remark);
}

/** Request the histogram, the facets and the field statistics. A failure of one does not affect the others. */
function runCounts() {
	const {signal} = controller;
	counted = Date.now();
	const count = (path, more, use, fail) => ask(path, state.search(more), {signal}).then(use).catch((error) => signal.aborted || fail(error));
	const failed = (names) => (problem) => facets.showFailure(names, problem, runCounts);
	count("histogram/", {}, histogram.showHistogram, (problem) => notices.say(`No histogram: ${problem.message}.`));
	count("facets/", {field: facets.FIELDS}, (answer) => answer.facets.forEach(facets.showFacet), failed(facets.FIELDS));
	count("fields/", {sample: 1000}, facets.showFields, failed(["context"]));
}

async function loadOlder() {
	const {signal} = controller;
	try {
		if (!await feed.older(patience())) return;
		notices.calm();
		showFeed();
	} catch (error) {
		if (!signal.aborted) notices.alertOf(error, {again: loadOlder});
	}
}

function follow() {
	tail.stop();
	showWaiting();
	if (state.get("live") && !state.get("around")) tail.start({
		onRecords: arrived,
		onStart: async (signal) => arrived((await ask("", state.search({limit: 200}), {signal})).items),
		onGap: () => runSearch("Records may have been missed, so the list was read again."),
		onProblem: (problem, seconds) => notices.alertOf(problem, {seconds}),
		onRecovery: notices.calm,
	});
}

function arrived(records) {
	const fresh = feed.unseen(records).filter(({id}) => !waiting.has(id));
	if (!fresh.length) return;
	for (const row of fresh) if (waiting.size < feed.MAX_ROWS) waiting.set(row.id, row);
	histogram.add(fresh);
	showWaiting();
	if (Date.now() - counted > COUNT_AGAIN_MS) runCounts();
}

/** Show new records in the list. While the user reads further down, show only their number. */
function showWaiting() {
	const more = waiting.size >= feed.MAX_ROWS; // records than are kept
	if (waiting.size && grid.atTop()) {
		if (more) return runSearch();
		feed.merge([...waiting.values()]);
		waiting.clear();
		showFeed();
	}
	parts.new.textContent = `${waiting.size}${more ? "+" : ""} new`;
	show(parts.new, waiting.size);
	show(parts.paused, waiting.size);
}

const isError = ({level}) => ["ERROR", "CRITICAL"].includes(level);
const openRecord = ({id}) => state.set({record: id}, true);

function move(step) {
	const row = grid.neighbor(step);
	if (row) goTo(row);
}

/** Go to the next error. Older ones than those on the page are requested. */
async function moveToError(step) {
	const {signal} = controller;
	show(parts.progress, true);
	try {
		const row = grid.neighbor(step, isError) ?? (step > 0 && await feed.olderError(patience()));
		if (!row) notices.say(`No ${step > 0 ? "older" : "newer"} error in this search.`);
		else if (feed.has(row)) { showFeed(); goTo(row); }
		else state.set({until: row.timestamp, live: null, record: row.id}); // too far away to load all rows up to it
	} catch (error) {
		if (!signal.aborted) notices.alertOf(error);
	} finally {
		if (!signal.aborted) show(parts.progress, false);
	}
}

function goTo(row) {
	if (document.activeElement === document.body) grid.focus();
	grid.activate(row.id);
	if (state.get("record")) openRecord(row);
}

const actions = {
	move,
	moveToError,
	search: toolbar.focusSearch,
	open: () => grid.active && openRecord({id: grid.active}),
	close() { if (state.get("record")) { state.set({record: null}, true); grid.focus(); } },
	live: () => state.set(state.get("live") ? {live: null} : {live: 1, until: null, around: null}, true),
	help: () => parts.help.showPopover(),
	new() { grid.toTop(); showWaiting(); grid.focus(); },
	zone: () => state.set({zone: state.get("zone") ? null : "utc"}, true),
	wider: () => state.set(histogram.wider()),
	unfold() { parts.unfold.ariaExpanded = parts.facets.classList.toggle("unfolded"); },
	newer: () => move(-1),
	older: () => move(1),
	again: () => runSearch(),
};
root.addEventListener("click", ({target}) => actions[target.closest("button")?.dataset.action]?.());
grid.listen(openRecord, () => waiting.size && showWaiting(), () => feed.searchedUntil || loadOlder());
keys.listen(actions);
toolbar.listen(() => runSearch());
views.listen();
patterns.listen();
state.onChange(sync);
sync();
