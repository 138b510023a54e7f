/** Saved views: a named search, private or shared with all users who may read the log. */

import {ask} from "./api.js";
import {button, el, fill, onSubmit, parts, show} from "./dom.js";
import * as state from "./state.js";

const PATH = "../views/";
const {views, dialog, form} = parts;

/** Set up the popover: load the views each time it opens, and save a view on submit. */
export function listen() {
	views.parentNode.addEventListener("toggle", ({newState}) => newState === "open" && attempt(parts.unlisted, load));
	parts.save.addEventListener("click", () => { form.elements.name.value = ""; show(parts.unsaved, false); dialog.showModal(); });
	parts.cancel.addEventListener("click", () => dialog.close());
	onSubmit(form, parts.confirm, () => {
		const {name, shared} = form.elements;
		const query = String(state.changed({record: null, around: null, live: null}));
		attempt(parts.unsaved, async () => {
			await ask(PATH, "", {method: "POST", body: {name: name.value.trim(), query, shared: shared.checked}});
			dialog.close();
		});
	});
}

/** Run an action. If the API rejects it, show the problem in an element. */
async function attempt(element, action) {
	show(element, false);
	await action().catch((error) => {
		fill(element, `${error.message}. ${error.words}`);
		show(element, true);
	});
}

async function load() {
	const {items} = await ask(PATH);
	fill(views, items.length ? items.map(entry) : el("li.hint", "No view is saved yet."));
}

function entry({id, name, query, shared, owner, editable}) {
	const row = el("li", el("a.choice", {href: `?${query}`}, name), shared && el("small", `shared by ${owner}`), editable && button(".sign", "✕", () => attempt(parts.unlisted, async () => {
		await ask(`${PATH}${id}/`, "", {method: "DELETE"});
		row.remove();
	}), {"aria-label": `Delete the view ${name}`}));
	return row;
}
