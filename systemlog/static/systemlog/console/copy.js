// Buttons that copy a text: `data-copy-from` names the element that has it.
// They are hidden in the page and shown here, because without a script they would do nothing.

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
            // Browsers give the clipboard to pages of HTTPS and of localhost only.
            getSelection().selectAllChildren(source);
            button.textContent = "Selected: press Ctrl+C";
        }
        setTimeout(() => { button.textContent = label; }, SHOWN_MS);
    });
}
