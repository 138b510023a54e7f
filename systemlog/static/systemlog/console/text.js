/** Makes the texts of records safe to read. They may hold anything that an attacker managed to have logged. */

const UNSEEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}\p{Cs}]/gu;

/** Return the text with control characters, bidi marks, invisible characters and lone surrogates shown: `␛[31m`, `⟨U+202E⟩`. */
export const visible = (text) => text.replace(UNSEEN, (character) => {
	const code = character.codePointAt(0);
	return code < 0x20 ? String.fromCharCode(0x2400 + code) : `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
});

export const asLine = (text) => visible(text).replace(/\s*\n\s*/g, " ↵ ").replaceAll("\t", " ");

/** Return a pattern that matches the searched words and phrases in messages, or null if there are none. */
export function termPattern(typed, words) {
	const terms = [...typed.matchAll(/(?<=^|\s)(?:"([^"]+)"|([^\s":-][^\s":]*)(?=\s|$))/g)].map(([, phrase, word]) => phrase ?? word);
	terms.push(...words.split(/\s+/).filter(Boolean));
	return terms.length ? new RegExp(`(${terms.map((term) => term.replace(/[^\w\s]/g, "\\$&")).join("|")})`, "gi") : null;
}

/** Write a text into an element and mark each match of the pattern. */
export function writeMarked(element, text, pattern) {
	if (!pattern) { element.textContent = text; return; }
	element.replaceChildren(...text.split(pattern).map((piece, index) => {
		const mark = document.createElement(index % 2 ? "mark" : "span");
		mark.textContent = piece;
		return mark;
	}));
}

export const number = (value) => value.toLocaleString("en");
