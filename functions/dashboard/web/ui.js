// Parts that every page is made of.
import { html, useEffect, useId, useState } from "./html.js";
import { Ago, clock, number, useTicks } from "./format.js";
import { setQuery } from "./router.js";

let toastNumber = 0;
let showToasts = () => {};
let toasts = [];

// Shows a message in the corner and reads it to screen readers; `action` is `{ label, run }`.
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

// Text from outside, with a direction of its own.
export const Quoted = ({ children }) => html`<span class="why">“<bdi>${children}</bdi>”</span>`;

export function Empty({ title, children }) {
  return html`<div class="empty"><p class="title">${title}</p>${children && html`<p>${children}</p>`}</div>`;
}

export function Skeleton({ rows = 6, label = "Loading" }) {
  return html`<div class="skeleton" role="status" aria-label=${label}>
    ${Array.from({ length: rows }, (_, n) => html`<span key=${n} class=${`w${n % 4}`}></span>`)}
  </div>`;
}

// A read that failed and has nothing to show, and a way to try again.
export function Trouble({ failure, retry }) {
  const forbidden = failure.status === 403;
  return html`<div class="trouble" role="alert">
    <p class="title">${forbidden ? "Your role does not open this." : failure.message}</p>
    <p>${failure.guidance || "Nothing was changed: this page only reads."}</p>
    ${failure.requestId && html`<p class="quiet small">Request <code>${failure.requestId}</code></p>`}
    ${retry && !forbidden && html`<button onClick=${() => retry()}>Try again</button>`}
  </div>`;
}

// What a read of useLoad needs said about it: nothing, or that what is shown is old, or that there is nothing.
export function ReadState({ page }) {
  if (!page.failure) return null;
  if (!page.found) return page.loading ? null : html`<${Trouble} failure=${page.failure} retry=${page.reload} />`;
  return html`<div class="stale" role="status"><p><b>Not refreshed since ${clock(page.at)}</b> (<${Ago} at=${new Date(page.at).toISOString()} />). ${page.failure.message}
    ${page.failure.definite || page.failure.loggedOut ? "" : " It is tried again by itself."}</p>
    <button class="small" onClick=${() => page.reload()}>Try now</button></div>`;
}

const OLD_MS = 5 * 60000;

// When the figures of a page were read; a page that was left open says how long ago, and can be read again.
export function AsOf({ page }) {
  useTicks(10000);
  if (!page.at) return null;
  if (page.failure || Date.now() - page.at < OLD_MS) return html`<p class="asof">As of ${clock(page.at)}</p>`;
  return html`<p class="asof behind">As of ${clock(page.at)}, <${Ago} at=${new Date(page.at).toISOString()} /> <button class="small" onClick=${() => page.reload()}>Read again</button></p>`;
}

// A table whose rows become cards where its box is too narrow for them. Roles are written out, as `display` would
// take them away.
export function Table({ caption, columns, rows, rowKey, busy }) {
  const size = columns.length > 6 ? "wide" : columns.length > 4 ? "middle" : "narrow";
  return html`<div class=${`scroll ${size}`}><table role="table" class=${busy ? "busy" : ""} aria-busy=${busy ? "true" : "false"}>
    <caption class="sr">${caption}</caption>
    <thead role="rowgroup"><tr role="row">${columns.map((column) => html`
      <th role="columnheader" scope="col" class=${column.cls || ""} key=${column.label}>${column.label}</th>`)}</tr></thead>
    <tbody role="rowgroup">${rows.map((row) => html`<tr role="row" key=${rowKey(row)}>
      ${columns.map((column) => html`<td role="cell" class=${column.cls || ""} key=${column.label} data-label=${column.label}>${column.cell(row)}</td>`)}
    </tr>`)}</tbody>
  </table></div>`;
}

// Figures in boxes that are as wide as the longest of them needs: `[label, text, { cls, note, to }]`.
export function Figures({ figures, cls = "" }) {
  const longest = Math.max(...figures.map(([, text]) => String(text).length));
  return html`<dl class=${`figures-grid ${cls}`} style=${{ "--chars": longest }}>${figures.map(([label, text, { cls: own = "", note, to } = {}]) => html`
    <div class=${`figure ${own}`} key=${label}><dt>${to ? html`<a href=${to}>${label}</a>` : label}</dt>
      <dd>${text}</dd>${note && html`<dd class="note">${note}</dd>`}</div>`)}</dl>`;
}

export function Pager({ cursor, next, count, noun }) {
  if (!cursor && !next) return count > 8 ? html`<p class="pager quiet">${number(count)} ${noun}, and no more.</p>` : null;
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
  return html`<button type="button" class="small" onClick=${copy} aria-label=${done ? "Copied" : label}>${done ? "Copied" : "Copy"}</button>`;
}

function select(text) {
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

export function Head({ title, children, sub, page }) {
  useEffect(() => { document.title = `${title} · Pluct`; }, [title]);
  return html`<header class="head"><div><h1 tabindex="-1">${title}</h1>${sub && html`<div class="quiet sub">${sub}</div>`}
      ${page && html`<${AsOf} page=${page} />`}</div>
    ${children && html`<div class="actions">${children}</div>`}</header>`;
}
