// Parts that every page is made of.
import { html, useEffect, useId, useRef, useState } from "./html.js";
import { setQuery } from "./router.js";

let toastNumber = 0;
let showToasts = () => {};
let toasts = [];

// Says something in the corner and to screen readers; `action` is `{ label, run }`.
export function say(text, { tone = "good", action } = {}) {
  const toast = { id: ++toastNumber, text, tone, action };
  toasts = [...toasts.slice(-3), toast];
  showToasts(toasts);
  setTimeout(() => dismiss(toast.id), action || tone === "bad" ? 15000 : 6000);
}

function dismiss(id) {
  toasts = toasts.filter((toast) => toast.id !== id);
  showToasts(toasts);
}

export function Toasts() {
  const [shown, set] = useState(toasts);
  showToasts = set;
  return html`<div class="toasts" role="status" aria-live="polite">
    ${shown.map((toast) => html`<div class=${`toast ${toast.tone}`} key=${toast.id}>
      <span>${toast.text}</span>
      ${toast.action && html`<button class="link" onClick=${() => { dismiss(toast.id); toast.action.run(); }}>${toast.action.label}</button>`}
      <button class="icon" aria-label="Dismiss" onClick=${() => dismiss(toast.id)}>×</button>
    </div>`)}
  </div>`;
}

// A modal dialog; focus goes in and comes back, Escape closes unless `busy`.
export function Dialog({ title, onClose, busy = false, wide = false, children }) {
  const element = useRef();
  const heading = useId();
  useEffect(() => {
    const shown = element.current;
    const before = document.activeElement;
    shown.showModal();
    shown.querySelector("[data-first]")?.focus();
    return () => {
      shown.close(); // While it is open, the page behind can not take the focus.
      if (before?.isConnected) before.focus();
    };
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    if (!busy) onClose?.();
  };
  return html`<dialog ref=${element} class=${wide ? "wide" : ""} aria-labelledby=${heading} onCancel=${cancel}>
    <header><h2 id=${heading}>${title}</h2>
      ${onClose && html`<button class="icon" aria-label="Close" disabled=${busy} onClick=${onClose}>×</button>`}
    </header>
    ${children}
  </dialog>`;
}

export function Field({ label, hint, error, children }) {
  const id = useId();
  const described = [hint && `${id}h`, error && `${id}e`].filter(Boolean).join(" ") || undefined;
  return html`<div class=${error ? "field wrong" : "field"}>
    <label for=${id}>${label}</label>
    ${children({ id, "aria-describedby": described, "aria-invalid": error ? "true" : undefined })}
    ${hint && html`<p class="hint" id=${`${id}h`}>${hint}</p>`}
    ${error && html`<p class="error" id=${`${id}e`}>${error}</p>`}
  </div>`;
}

export const Badge = ({ tone = "", children }) => html`<span class=${`badge ${tone}`}>${children}</span>`;

export function Empty({ title, children }) {
  return html`<div class="empty"><p class="title">${title}</p>${children && html`<p>${children}</p>`}</div>`;
}

export function Skeleton({ rows = 6, label = "Loading" }) {
  return html`<div class="skeleton" role="status" aria-label=${label}>
    ${Array.from({ length: rows }, (_, n) => html`<span key=${n} class=${`w${n % 4}`}></span>`)}
  </div>`;
}

// What went wrong with reading, and a way to try again.
export function Trouble({ failure, retry }) {
  const text = failure.status === 403 ? "Your role does not open this." : failure.message;
  return html`<div class="trouble" role="alert">
    <p class="title">${text}</p>
    <p>${failure.guidance || "Nothing was changed: this page only reads."}</p>
    ${failure.requestId && html`<p class="quiet small">Request <code>${failure.requestId}</code></p>`}
    ${retry && failure.status !== 403 && html`<button onClick=${retry}>Try again</button>`}
  </div>`;
}

// What a failed write did to the money, in words that leave no doubt.
export function moneyWords(failure) {
  if (failure.unchanged) return "Nothing was changed. No credit moved.";
  return "It is not known yet whether this took effect. Send it again: it is counted once, however often it arrives.";
}

export function WriteTrouble({ failure }) {
  if (!failure) return null;
  const said = failure.code === "insufficient_credits" && failure.details.balance !== undefined
    ? `The balance is ${failure.details.balance} now, which is less than you want to take off.` : failure.message;
  return html`<div class="trouble compact" role="alert">
    <p class="title">${said}</p><p>${moneyWords(failure)}</p>
    ${failure.requestId && html`<p class="quiet small">Request <code>${failure.requestId}</code></p>`}
  </div>`;
}

// Loads with `load(signal)` whenever `deps` change. What is shown stays while it is loaded anew.
export function useLoad(load, deps) {
  const [state, set] = useState({ loading: true });
  const [turn, again] = useState(0);
  useEffect(() => {
    const control = new AbortController();
    set((old) => ({ ...old, loading: true }));
    load(control.signal).then(
      (found) => control.signal.aborted || set({ found, loading: false, at: Date.now() }),
      (failure) => control.signal.aborted || failure.name === "AbortError" || set((old) => ({ found: old.found, failure, loading: false })),
    );
    return () => control.abort();
  }, [...deps, turn]);
  useEffect(() => {
    const renew = () => again((n) => n + 1);
    addEventListener("sessionback", renew);
    return () => removeEventListener("sessionback", renew);
  }, []);
  return { ...state, reload: () => again((n) => n + 1) };
}

// A table whose rows become cards on a phone. Roles are written out, as `display` would take them away.
export function Table({ caption, columns, rows, rowKey, busy }) {
  return html`<div class="scroll"><table role="table" class=${busy ? "busy" : ""} aria-busy=${busy ? "true" : "false"}>
    <caption class="sr">${caption}</caption>
    <thead role="rowgroup"><tr role="row">${columns.map((column) => html`
      <th role="columnheader" scope="col" class=${column.cls || ""} key=${column.label}>${column.label}</th>`)}</tr></thead>
    <tbody role="rowgroup">${rows.map((row) => html`<tr role="row" key=${rowKey(row)}>
      ${columns.map((column) => html`<td role="cell" class=${column.cls || ""} key=${column.label} data-label=${column.label}>${column.cell(row)}</td>`)}
    </tr>`)}</tbody>
  </table></div>`;
}

export function Pager({ cursor, next, count, noun }) {
  if (!cursor && !next) return count > 8 ? html`<p class="pager quiet">${count} ${noun}, and no more.</p>` : null;
  return html`<nav class="pager" aria-label="Pages">
    <button disabled=${!cursor} onClick=${() => setQuery({ cursor: "" })}>First</button>
    <button disabled=${!cursor || !history.state?.inside} onClick=${() => history.back()}>Previous</button>
    <button disabled=${!next} onClick=${() => setQuery({ cursor: next })}>Next</button>
  </nav>`;
}

export function Copy({ text, label = "Copy" }) {
  const [done, set] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text).catch(() => select(text));
    set(true);
    setTimeout(() => set(false), 2000);
  };
  return html`<button class="small" onClick=${copy} aria-label=${done ? "Copied" : label}>${done ? "Copied" : "Copy"}</button>`;
}

function select(text) {
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

export function Head({ title, children, sub }) {
  useEffect(() => { document.title = `${title} · Pluct`; }, [title]);
  return html`<header class="head"><div><h1 tabindex="-1">${title}</h1>${sub && html`<p class="quiet">${sub}</p>`}</div>
    ${children && html`<div class="actions">${children}</div>`}</header>`;
}

