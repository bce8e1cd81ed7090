// Where a user's credits came from, how they are used, and how long they last.
import { html } from "./html.js";
import { get } from "./api.js";
import { Chart } from "./chart.js";
import { change, number, Time, today } from "./format.js";
import { useLoad } from "./loading.js";
import { href } from "./router.js";
import { charged } from "./words.js";

const WINDOW_DAYS = 14;
const MOST_ENTRIES = 200;
const DAY_MS = 864e5;
const PAYMENTS = 100;
export const CONSUMING = new Set(["spend", "capture", "refund", "write_off"]);

// Charged credits a day over the last days that `entries` (newest first) cover: `{ perDay, days, spent }`.
export function rateOf(entries, now = Date.now()) {
  const oldest = entries.length ? Date.parse(entries.at(-1).timestamp) : now;
  const isCut = entries.length >= MOST_ENTRIES || entries.at(-1)?.seq === 1;
  const from = Math.max(now - WINDOW_DAYS * DAY_MS, isCut ? oldest : 0);
  const days = Math.max(1, (now - from) / DAY_MS);
  const spent = entries.filter((entry) => CONSUMING.has(entry.type) && Date.parse(entry.timestamp) >= from).reduce((sum, entry) => sum + charged(entry), 0);
  return { perDay: spent / days, days: Math.round(days), spent };
}

// By UTC day, oldest first: what was charged, and what came back of holds.
export function byDay(entries) {
  const days = new Map();
  for (const entry of entries) {
    if (!CONSUMING.has(entry.type)) continue;
    const day = entry.timestamp.slice(0, 10);
    const row = days.get(day) || { day, charged: 0, released: 0 };
    row.charged += charged(entry);
    if (entry.type === "refund") row.released += entry.amount;
    days.set(day, row);
  }
  return [...days.values()].sort((one, other) => one.day.localeCompare(other.day));
}

export function Use({ entries, title = "Use by day" }) {
  const days = byDay(entries);
  if (days.length < 2) return null;
  const times = [];
  for (let at = Date.parse(`${days[0].day}T00:00:00Z`); at <= Date.parse(`${today()}T00:00:00Z`); at += DAY_MS) times.push(at / 1000);
  const known = new Map(days.map((row) => [Date.parse(`${row.day}T00:00:00Z`) / 1000, row]));
  const values = (name) => times.map((at) => known.get(at)?.[name] || 0);
  return html`<${Chart} title=${title} unit="credits per day" times=${times} series=${[
    { label: "charged", color: "--accent", values: values("charged"), bars: true }, { label: "given back", color: "--amber", values: values("released") },
  ]} />`;
}

function Lasts({ balance, entries }) {
  const { perDay, days, spent } = rateOf(entries);
  const span = days === 1 ? "the last day" : `the last ${days} days`;
  if (spent <= 0) return html`<p class="quiet">Nothing was spent in ${span}.</p>`;
  const left = balance / perDay;
  const until = new Date(Date.now() + left * DAY_MS);
  return html`<p>At the present rate, ${number(Math.round(perDay * 10) / 10)} a day over ${span}, ${balance <= 0 ? "the balance is used up." : html`the balance lasts ${left < 1 ? "less than a day" : `about ${number(Math.round(left))} ${Math.round(left) === 1 ? "day" : "days"}`}${left > 1 && left < 3650 ? html`, until <${Time} at=${until.toISOString()} style="day" />` : ""}.`}</p>`;
}

// Bonus credits are a part of what a pack grants, so they are read from the packs of the user's payments.
async function bonusOf(user, signal) {
  const { payments } = await get("/admin/payments", { user, limit: PAYMENTS }, { signal });
  const bought = payments.filter((row) => row.pack && row.unit === "credits");
  const codes = [...new Set(bought.map((row) => row.pack.split("@")[0]))];
  const versions = await Promise.all(codes.map((code) => get(`/admin/packs/${encodeURIComponent(code)}`, {}, { signal }).then((found) => found.packs)));
  const bonus = new Map(versions.flat().map((pack) => [`${pack.packId}@${pack.version}`, pack.bonus]));
  return bought.reduce((sum, row) => sum + (bonus.get(row.pack) || 0), 0);
}

export function Grants({ user, entries }) {
  const types = user.totals?.byType || {};
  const sum = (...names) => names.reduce((total, name) => total + (types[name]?.sum || 0), 0);
  const isBuyer = Boolean(types.purchase);
  const bonus = useLoad((signal) => (isBuyer ? bonusOf(user.userId, signal) : Promise.resolve(0)), [user.userId, types.purchase?.count]);
  const lines = [
    ["Bought", sum("purchase", "add_webhook"), isBuyer && bonus.found > 0 ? `${number(bonus.found)} of it bonus` : ""], ["Given with the account", sum("user_creation")],
    ["Added through the API", sum("api_add")], ["Given by operators", sum("admin_add")], ["Deducted by operators", sum("admin_deduct")], ["Taken back by refunds", sum("clawback", "clawback_return")],
  ].filter(([label, size], place) => size || !place);
  return html`<section aria-labelledby="grants"><h2 id="grants">Grants</h2>
    <dl class="facts">${lines.map(([label, size, note]) => html`<div key=${label}><dt>${label}</dt><dd class="num">${change(size)}${note && html` <span class="quiet small">${note}</span>`}</dd></div>`)}
      <div><dt>Owed</dt><dd class="num">${number(user.owed ?? 0)}</dd></div></dl>
    <${Lasts} balance=${user.balance} entries=${entries} />
    <p class="small"><a href=${href("payments", "", { user: user.userId })}>Payments of this user</a> · <a href=${href("requests", "", { user: user.userId })}>Requests</a> · <a href=${href("notices", "", { user: user.userId })}>Notices</a></p></section>`;
}
