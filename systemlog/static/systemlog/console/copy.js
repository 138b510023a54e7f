/** Buttons that copy a text. On the server's pages, `data-copy-from` is the id of the element with the text. */

const SHOWN_MS = 1500;

/** Copy a text and show the result on the button for a moment. If copying fails, select the text in its `element`. */
export async function copy(button, text, label, element) {
	try {
		await navigator.clipboard.writeText(text);
		button.textContent = "Copied";
	} catch {
		// Browsers allow the clipboard only to pages from HTTPS and localhost.
		if (element) getSelection().selectAllChildren(element);
		button.textContent = element ? "Selected: press Ctrl+C" : "Not allowed";
	}
	setTimeout(() => { button.textContent = label; }, SHOWN_MS);
}

for (const button of document.querySelectorAll("[data-copy-from]")) {
	const label = button.textContent;
	const source = document.getElementById(button.dataset.copyFrom);
	button.hidden = false; // the page hides it, because it does nothing without this script
	button.addEventListener("click", () => copy(button, source.textContent, label, source));
}
