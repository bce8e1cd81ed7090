// Numbers and times in the viewer's own manner.
import { html, useEffect, useState } from "./html.js";

const whole = new Intl.NumberFormat();
const signed = new Intl.NumberFormat(undefined, { signDisplay: "exceptZero" });
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const dayTime = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const dateOnly = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const dollar = new Intl.NumberFormat(undefined, {
  style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: 4,
});

export const number = (value) => (value === null || value === undefined ? "–" : whole.format(value));
export const compact = (value) => short.format(value);
export const change = (value) => signed.format(value).replace("-", "−");
export const credits = (value) => `${number(value)} ${Math.abs(value) === 1 ? "credit" : "credits"}`;
export const dollars = (value) => (value === null || value === undefined ? "–" : dollar.format(value));
export const utc = (iso) => `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
export const today = (daysBack = 0) => new Date(Date.now() - daysBack * 864e5).toISOString().slice(0, 10);

const STEPS = [["second", 60], ["minute", 60], ["hour", 24], ["day", 30], ["month", 12], ["year", Infinity]];

export function ago(iso, now = Date.now()) {
  let value = (Date.parse(iso) - now) / 1000;
  for (const [unit, size] of STEPS) {
    if (Math.abs(value) < size) return relative.format(Math.round(value), unit);
    value /= size;
  }
  return "";
}

// A moment: the viewer's locale and zone in sight, UTC on hover and for screen readers' titles.
export function Time({ at, style = "short" }) {
  if (!at) return html`<span class="quiet">never</span>`;
  const moment = new Date(at);
  const isOld = Date.now() - moment > 300 * 864e5;
  const shown = style === "full" ? dateTime.format(moment) : style === "day" || isOld ? dateOnly.format(moment) : dayTime.format(moment);
  return html`<time datetime=${at} title=${utc(at)}>${shown}</time>`;
}

// How long ago, kept right while it is looked at.
export function Ago({ at }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 10000);
    return () => clearInterval(timer);
  }, []);
  if (!at) return html`<span class="quiet">never</span>`;
  return html`<time datetime=${at} title=${utc(at)}>${ago(at)}</time>`;
}
