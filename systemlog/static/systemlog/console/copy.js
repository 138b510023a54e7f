// Buttons that copy a text. `data-copy-from` is the id of the element with the text.
// The page hides them and this script shows them, because they do nothing without it.

const SHOWN_MS = 1500;

for (const button of document.querySelectorAll("[data-copy-from]")) {
    const label = button.textContent;
    const source = document.getElementById(button.dataset.copyFrom);
    button.hidden = false;
    button.addEventListener("click", async () => {
        try {
            await navigator.clipboard.writeText(source.textContent);
            button.textContent = "Copied";
        } catch {
            // Browsers allow the clipboard only to pages from HTTPS and localhost.
            getSelection().selectAllChildren(source);
            button.textContent = "Selected: press Ctrl+C";
        }
        setTimeout(() => { button.textContent = label; }, SHOWN_MS);
    });
}
