// Modal dialogs on the platform's <dialog>: the focus goes in, stays in, and comes back.
import { html, useEffect, useId, useLayoutEffect, useRef } from "./html.js";
import { Waiting } from "./progress.js";

const topmost = () => [...document.querySelectorAll("dialog[open]")].at(-1);

// Escape and × call `onClose`, unless `busy`; without `onClose` the dialog stays until its own buttons close it.
// `step` names what is shown: when it changes, the focus goes to the element with `data-first`.
export function Dialog({ title, onClose, busy = false, step = "", cls = "", children }) {
  const element = useRef();
  const heading = useId();
  const close = useRef();
  close.current = () => { if (!busy) onClose?.(); };
  useEffect(() => {
    const shown = element.current;
    const before = document.activeElement;
    shown.showModal();
    let isShown = true;
    // Browsers close a dialog on a second Escape whatever the page says; it is opened again.
    const closed = () => {
      if (!isShown) return;
      shown.showModal();
      close.current();
    };
    shown.addEventListener("close", closed);
    return () => {
      isShown = false;
      shown.close(); // While it is open, the page behind cannot take the focus.
      (before?.isConnected ? before : document.querySelector("main h1"))?.focus();
    };
  }, []);
  useEffect(() => enter(element.current), [step]);
  // A focused element that is gone or disabled takes the focus with it.
  useLayoutEffect(() => {
    const shown = element.current;
    if (shown.open && topmost() === shown && !shown.contains(document.activeElement)) enter(shown);
  });
  const pressed = (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close.current();
    } else if (event.key === "Enter" && event.repeat) {
      event.preventDefault(); // A key held down does not confirm the next step as well.
    }
  };
  const cancelled = (event) => {
    event.preventDefault();
    close.current();
  };
  return html`<dialog ref=${element} class=${cls} aria-labelledby=${heading} onKeyDown=${pressed} onCancel=${cancelled}>
    <header><h2 id=${heading} tabindex="-1">${title}</h2>
      ${onClose && html`<button type="button" class="icon" aria-label="Close" aria-disabled=${busy ? "true" : undefined} onClick=${() => close.current()}>×</button>`}
    </header>
    ${children}
  </dialog>`;
}

function enter(shown) {
  (shown.querySelector("[data-first]") || shown.querySelector("h2")).focus();
}

// The buttons of a dialog. `act` is pressed by Enter; while `busy` it keeps the focus and says `doing`.
export function Buttons({ back, onBack, act, doing, busy = false, danger = false, first = false }) {
  const off = busy ? "true" : undefined;
  const stop = (event) => { if (busy) event.preventDefault(); };
  return html`<footer>${busy && html`<${Waiting} />`}
    ${back && html`<button type="button" aria-disabled=${off} data-first=${act ? undefined : true} onClick=${(event) => (busy ? stop(event) : onBack())}>${back}</button>`}
    ${act && html`<button class=${danger ? "danger" : "primary"} aria-disabled=${off} data-first=${first || undefined} onClick=${stop}>${busy ? doing : act}</button>`}
  </footer>`;
}
