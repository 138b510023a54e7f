/** Creates and finds elements. Content is always inserted as text: no module of the console writes HTML. */

import {copy} from "./copy.js";
import * as state from "./state.js";
import {visible} from "./text.js";

export const root = document.getElementById("systemlog-console");

/** The elements with a `data-part` attribute, by its value. */
export const parts = Object.fromEntries([...root.querySelectorAll("[data-part]")].map((each) => [each.dataset.part, each]));

export const show = (element, shown) => { element.hidden = !shown; };

/** Replace the children of an element. Empty values are left out, and texts pass through `visible`. */
export function fill(element, ...children) {
	element.replaceChildren(...children.flat(2).filter(Boolean).map((child) => child.nodeType ? child : visible(child)));
	return element;
}

/** Create an element: `el("p.hint", {title: "…"}, "text", child)`. Functions become listeners; `style` is an object. */
export function el(name, ...children) {
	const [tag, ...classes] = name.split(".");
	const element = document.createElement(tag);
	element.className = classes.join(" ");
	const attributes = children[0]?.constructor === Object ? children.shift() : {};
	for (const [key, value] of Object.entries(attributes)) {
		if (typeof value === "function") element.addEventListener(key.slice(2), value);
		else if (key === "style") Object.assign(element.style, value); // the policy forbids the attribute
		else if (value) element.setAttribute(key, value);
	}
	return fill(element, ...children);
}

export const button = (name, label, onclick, attributes) => el(`button${name}`, {type: "button", onclick, ...attributes}, label);

/** Run an action when a button is pressed, or Enter in a field. */
export function onSubmit(fields, pressed, action) {
	fields.addEventListener("keydown", ({key, target}) => key === "Enter" && target.matches("input") && action());
	pressed?.addEventListener("click", action);
}

/** Create a button that copies a text and confirms it. */
export const copyButton = (name, label, text) => button(name, label, ({currentTarget}) => copy(currentTarget, text(), label));

/** Return the two buttons that filter by a value: include and exclude. */
export const signs = (field, value) => el("span.signs", ["Only", "Not"].map((verb) =>
	button(".sign", verb === "Only" ? "+" : "−", () => state.filter(verb, field, value), {"aria-label": `${verb} ${field} ${value}`})));
