// Numbers and times in the viewer's locale and zone.
import { html, useEffect, useState } from "./html.js";

const whole = new Intl.NumberFormat();
const signed = new Intl.NumberFormat(undefined, { signDisplay: "exceptZero" });
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const STYLES = {
  full: { dateStyle: "medium", timeStyle: "long" },
  table: { day: "numeric", month: "short", ...TIME },
  tableWithYear: { day: "numeric", month: "short", year: "numeric", ...TIME },
  day: { day: "numeric", month: "short", year: "numeric" },
  clock: { ...TIME, timeZoneName: "short" },
};
const formats = Object.fromEntries(Object.entries(STYLES).map(([name, style]) => [name, new Intl.DateTimeFormat(undefined, style)]));
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const DOLLAR = { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: 6 };
const dollar = new Intl.NumberFormat(undefined, DOLLAR);
const signedDollar = new Intl.NumberFormat(undefined, { ...DOLLAR, signDisplay: "exceptZero" });
const withMinus = (text) => text.replace("-", "−");
const none = (value) => value === null || value === undefined;

export const number = (value) => (none(value) ? "–" : whole.format(value));
export const compact = (value) => short.format(value);
export const change = (value) => (value ? withMinus(signed.format(value)) : "±0");
export const credits = (value) => `${number(value)} ${Math.abs(value) === 1 ? "credit" : "credits"}`;
// Exact to the micro-dollar. `value` in dollars.
export const dollars = (value) => (none(value) ? "–" : withMinus(dollar.format(value)));
// `micros` in micro-dollars.
export const dollarChange = (micros) => (micros ? withMinus(signedDollar.format(micros / 1e6)) : "±$0.00");
export const utc = (iso) => `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
export const today = (daysBack = 0) => new Date(Date.now() - daysBack * 864e5).toISOString().slice(0, 10);
// A moment (anything that Date takes) as the time of day with its zone.
export const clock = (moment) => formats.clock.format(new Date(moment));
// The viewer's zone by its short name, for the heading of a column of times.
export const zone = () => formats.clock.formatToParts(new Date()).find((part) => part.type === "timeZoneName").value;
// Text from outside within a sentence of ours: its direction stays its own (Unicode FSI and PDI).
export const isolated = (text) => `\u2068${text}\u2069`;

const STEPS = [["second", 60], ["minute", 60], ["hour", 24], ["day", 30], ["month", 12], ["year", Infinity]];

export function ago(iso, now = Date.now()) {
  let value = (Date.parse(iso) - now) / 1000;
  for (const [unit, size] of STEPS) {
    if (Math.abs(value) < size) return relative.format(Math.round(value), unit);
    value /= size;
  }
  return "";
}

// A moment in the viewer's zone, with UTC in its title. Without a `style` it has seconds, and the year unless it is
// this year's; the heading of its column names the zone.
export function Time({ at, style }) {
  if (!at) return html`<span class="quiet">never</span>`;
  const moment = new Date(at);
  const isThisYear = moment.getFullYear() === new Date().getFullYear();
  const shown = formats[style || (isThisYear ? "table" : "tableWithYear")].format(moment);
  return html`<time datetime=${at} title=${utc(at)}>${shown}</time>`;
}

// Renders again each `every` ms.
export function useTicks(every) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), every);
    return () => clearInterval(timer);
  }, []);
}

// How long ago, kept right while it is shown.
export function Ago({ at }) {
  useTicks(10000);
  if (!at) return html`<span class="quiet">never</span>`;
  return html`<time datetime=${at} title=${utc(at)}>${ago(at)}</time>`;
}
