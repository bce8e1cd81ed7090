export default ($all) => {
const { $api, $chart, $format, $html, $loading, $router, $words } = $all;
const $grants = $all.$grants = (() => {
const { html } = $html;
const { get } = $api;
const { Chart } = $chart;
const { change, number, Time, today } = $format;
const { useLoad } = $loading;
const { href } = $router;
const { charged } = $words;

const WINDOW_DAYS = 14;
const MOST_ENTRIES = 200;
const DAY_MS = 864e5;
const PAYMENTS = 100;
const CONSUMING = new Set(["spend", "capture", "refund", "write_off"]);

function rateOf(entries, now = Date.now()) {
  const oldest = entries.length ? Date.parse(entries.at(-1).timestamp) : now;
  const isCut = entries.length >= MOST_ENTRIES || entries.at(-1)?.seq === 1;
  const from = Math.max(now - WINDOW_DAYS * DAY_MS, isCut ? oldest : 0);
  const days = Math.max(1, (now - from) / DAY_MS);
  const spent = entries.filter((entry) => CONSUMING.has(entry.type) && Date.parse(entry.timestamp) >= from).reduce((sum, entry) => sum + charged(entry), 0);
  return { perDay: spent / days, days: Math.round(days), spent };
}

function byDay(entries) {
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

function Use({ entries, title = "Use by day" }) {
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

async function bonusOf(user, signal) {
  const { payments } = await get("/admin/payments", { user, limit: PAYMENTS }, { signal });
  const bought = payments.filter((row) => row.pack && row.unit === "credits");
  const codes = [...new Set(bought.map((row) => row.pack.split("@")[0]))];
  const versions = await Promise.all(codes.map((code) => get(`/admin/packs/${encodeURIComponent(code)}`, {}, { signal }).then((found) => found.packs)));
  const bonus = new Map(versions.flat().map((pack) => [`${pack.packId}@${pack.version}`, pack.bonus]));
  return bought.reduce((sum, row) => sum + (bonus.get(row.pack) || 0), 0);
}

function Grants({ user, entries }) {
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
return { CONSUMING: CONSUMING, rateOf: rateOf, byDay: byDay, Use: Use, Grants: Grants };
})();
};
