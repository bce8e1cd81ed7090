// Subscriptions: what is left, which keys exist (never their secrets), and what operators do.
import { html, useState } from "./html.js";
import { get } from "./api.js";
import { Chart } from "./chart.js";
import { ListCsv } from "./csv.js";
import { Buttons, Dialog } from "./dialog.js";
import { clock, dollarChange, dollars, number, Time, zone } from "./format.js";
import { useLoad } from "./loading.js";
import { href, setQuery } from "./router.js";
import { Badge, Empty, Field, Figures, Head, Pager, Quoted, ReadState, say, Skeleton, Table } from "./ui.js";
import { moved, who, why } from "./words.js";
import { Refused, Unknown, useOutcome, useUnknown, useWrite } from "./writes.js";

const PAGE = 50;
const PLANS = { basic: "Basic", pro: "Pro", enterprise: "Enterprise" };
const POLICIES = { "": "As set for this deployment", reset: "Renew the allowance", block: "Block", top_up: "Wait for a top-up" };
const MOODS = { active: "good", live: "good", current: "good", blocked: "bad", disabled: "", deleted: "", retired: "" };

const State = ({ state }) => html`<${Badge} tone=${MOODS[state] ?? "warn"}>${String(state).replaceAll("_", " ")}<//>`;

const CSV = ["userId", "email", "plan", "state", "remaining_credits", "used_credits", "createdAt"].map((name) => [name, (one) => one[name]]);

const COLUMNS = [
  { label: "User", cls: "main", cell: (one) => html`<a class="id" href=${href("subscriptions", one.userId)}>${one.userId}</a>
    ${one.email && html`<span class="why"><bdi>${one.email}</bdi></span>`}` },
  { label: "Left", cls: "num strong", cell: (one) => dollars(one.remaining_credits) },
  { label: "Used", cls: "num", cell: (one) => dollars(one.used_credits) },
  { label: "Plan", cell: (one) => PLANS[one.plan] || one.plan },
  { label: "State", cell: (one) => html`<${State} state=${one.state} />` },
  { label: "Since", cls: "when", cell: (one) => html`<${Time} at=${one.createdAt} style="day" />` },
];

export function Subscriptions({ query }) {
  const prefix = query.q || "";
  const page = useLoad((signal) => get("/admin/subscriptions", { prefix, cursor: query.cursor, limit: PAGE }, { signal }), [prefix, query.cursor]);
  const found = page.found?.subscriptions;
  const look = (event) => {
    event.preventDefault();
    setQuery({ q: String(new FormData(event.currentTarget).get("q")).trim() });
  };
  return html`<${Head} title="Subscriptions" page=${page}>${found && html`
      <${ListCsv} name="subscriptions" columns=${CSV} read=${(cursor) => get("/admin/subscriptions", { prefix, cursor, limit: 100 }).then((answer) => ({ rows: answer.subscriptions, next: answer.nextCursor }))} />`}<//>
    <form class="bar" role="search" onSubmit=${look}><div class="search"><label class="sr" for="q">User id begins with</label>
      <input id="q" name="q" type="search" placeholder="User id begins with…" autocomplete="off" maxlength="128" key=${prefix} defaultValue=${prefix} /></div><button>Search</button></form>
    <${Absent} page=${page} />
    ${!found && !page.failure && html`<${Skeleton} rows=${8} label="Loading subscriptions" />`}
    ${found && (found.length ? html`<${Table} caption="Subscriptions" columns=${COLUMNS} rows=${found} rowKey=${(one) => one.userId} busy=${page.loading} />
      <${Pager} cursor=${query.cursor} next=${page.found.nextCursor} count=${found.length} noun="subscriptions" />`
      : html`<${Empty} title=${prefix ? `No subscriber's id begins with “${prefix}”` : "There are no subscriptions yet"}>The first call of POST /api/key creates one.<//>`)}`;
}

function Absent({ page }) {
  if (page.failure?.code !== "route_not_found") return html`<${ReadState} page=${page} />`;
  return html`<${Empty} title="This gateway has no subscription service">It is not part of this deployment.<//>`;
}

export function Subscription({ id, session }) {
  const path = `/admin/subscriptions/${encodeURIComponent(id)}`;
  const page = useLoad((signal) => get(path, {}, { signal }), [id]);
  const [act, setAct] = useState(null);
  const one = page.found;
  if (!one) {
    return html`<${Head} title=${id} />${!page.failure ? html`<${Skeleton} rows=${10} label="Loading the subscription" />`
      : page.failure.code === "not_found" ? html`<${Empty} title="There is no such subscription"><a href=${href("subscriptions")}>All subscriptions</a><//>` : html`<${Absent} page=${page} />`}`;
  }
  const done = () => {
    setAct(null);
    page.reload();
  };
  const mayChange = session.scopes.includes("subscriptions:write");
  const isBlocked = one.state === "blocked";
  const person = [one.username, one.email].filter(Boolean).join(" · ");
  return html`<p class="crumbs"><a href=${href("subscriptions")}>Subscriptions</a></p>
    <${Head} title=${one.userId} page=${page} sub=${html`<${State} state=${one.state} /> <bdi>${person}</bdi>`}>
      ${mayChange && html`<button class="primary" onClick=${() => setAct("adjust")}>Add or deduct</button>
        <button onClick=${() => setAct("plan")}>Change plan</button><button onClick=${() => setAct("rotate")}>Rotate key</button>
        <button class=${isBlocked ? "" : "danger"} onClick=${() => setAct(isBlocked ? "unblock" : "block")}>${isBlocked ? "Unblock" : "Block"}</button>`}<//>
    <${ReadState} page=${page} />
    <${Figures} cls="small" figures=${[
      ["Left", one.unlimited ? "unlimited" : dollars(one.remaining_credits), { cls: "big" }], ["Of", dollars(one.total_credits)], ["Plan", PLANS[one.plan] || one.plan],
      ["In keys", dollars(one.held_credits)], ["Available", dollars(one.available_credits)],
    ]} />
    <p class="runway">At the present rate: ${one.runway || "unknown"}.</p>
    <${Verdict} page=${page} />
    <div class="columns"><section aria-labelledby="keys"><h2 id="keys">Keys and rotations</h2><${Keys} keys=${one.keys} current=${one.currentKey} />
      <h2 class="later">Ledger</h2><${Moves} entries=${one.transactions} /></section>
      <aside><${Spend} days=${one.days} /></aside></div>
    ${act && html`<${Act} key=${act} act=${act} path=${path} one=${one} session=${session} onClose=${() => setAct(null)} onDone=${done} />`}`;
}

function Verdict({ page }) {
  const { verification: check, userId } = page.found;
  const unknown = useUnknown().some((write) => write.about.user === userId);
  if (!check.ok) return html`<p class="verdict bad" role="alert"><${Badge} tone="bad">Does not add up<//> ${check.findings.map((finding) => finding.text).join(" ")}</p>`;
  if (page.failure || unknown) return html`<p class="verdict"><${Badge} tone="warn">Out of date<//> At ${clock(page.at)} the ledger added up. ${unknown ? "The outcome of a change sent since is not known yet." : "It could not be read since."}</p>`;
  return html`<p class="verdict good"><${Badge} tone="good">Adds up<//> Checked at ${clock(page.at)}: ${number(check.entries)} ${check.entries === 1 ? "entry explains" : "entries explain"} this balance.</p>`;
}

const keyColumns = (current) => [
  { label: "Key", cls: "main", cell: (key) => html`<code>${key.name}</code> ${key.number === current && html`<${Badge} tone="good">current<//>`}` },
  { label: "Used", cls: "num strong", cell: (key) => dollars(key.used_credits) },
  { label: "Limit", cls: "num", cell: (key) => dollars(key.limit_credits) },
  { label: "State", cell: (key) => html`<${State} state=${key.state} />` },
  { label: `Created (${zone()})`, cls: "when", cell: (key) => html`<${Time} at=${key.createdAt} />` },
];

function Keys({ keys, current }) {
  if (!keys.length) return html`<${Empty} title="No key was created yet" />`;
  return html`<${Table} caption="Keys, newest first" columns=${keyColumns(current)} rows=${keys} rowKey=${(key) => key.number} />`;
}

const Amount = ({ micros, after }) => html`<b class=${micros > 0 ? "up" : ""}>${dollarChange(micros)}</b> <span class="quiet small">→ ${dollars(after / 1e6)}</span>`;

const moves = () => [
  { label: `When (${zone()})`, cls: "when", cell: (entry) => html`<${Time} at=${entry.timestamp} />` },
  { label: "What", cls: "main", cell: (entry) => html`${moved(entry)}${entry.subject && html`<span class="why">${entry.subject}</span>`}${why(entry) && html`<${Quoted}>${why(entry)}<//>`}` },
  { label: "By", cls: "by", cell: (entry) => html`<span title=${entry.actor}>${who(entry.actor)}</span>` },
  { label: "Available", cls: "num strong", cell: (entry) => html`<${Amount} micros=${entry.amount} after=${entry.balanceAfter} />` },
  { label: "In keys", cls: "num", cell: (entry) => html`<${Amount} micros=${entry.heldChange} after=${entry.heldAfter} />` },
];

function Moves({ entries }) {
  if (!entries.length) return html`<${Empty} title="There is no entry yet" />`;
  return html`<${Table} caption="Entries, newest first: the change and the balance after it" columns=${moves()} rows=${entries} rowKey=${(entry) => entry.seq} />`;
}

function Spend({ days }) {
  if (!days?.length) return null;
  const oldest = [...days].reverse();
  return html`<${Chart} title="Used by day" unit="in US dollars" show=${dollars} times=${oldest.map((day) => Date.parse(`${day.day}T00:00:00Z`) / 1000)}
    series=${[{ label: "used", color: "--accent", values: oldest.map((day) => day.used_credits), bars: true }]} />`;
}

const ACTS = {
  adjust: ["Add or deduct", "Send", "One credit is one US dollar. A minus deducts from what no key holds."],
  plan: ["Change the plan", "Change it", "The balance stays; the plan decides the next allowance."],
  rotate: ["Rotate the key now?", "Rotate", "A new key is created and handed out. The old key works for a short time, and its use is charged until it ends."],
  block: ["Block this subscription?", "Block", "The current key is disabled at once. The balance stays."],
  unblock: ["Unblock this subscription?", "Unblock", "The next call gets a key again."],
};
const DONE = { adjust: "The balance is changed.", plan: "The plan is changed.", rotate: "The key is rotated.", block: "The subscription is blocked.", unblock: "The subscription is unblocked." };

// How the outcome of each act is looked up; see outcomes.js.
function aboutOf(act, one, given, session) {
  const entry = { kind: "subscriptionEntry", after: one.transactions[0]?.seq || 0, reason: given.reason, actor: `operator:${session.name}`, once: true };
  const lookups = {
    adjust: () => ({ ...entry, type: Number(given.amount) < 0 ? "admin_deduct" : "admin_add", amount: Math.round(Number(given.amount) * 1e6) }),
    plan: () => ({ ...entry, type: "plan_change" }),
    rotate: () => ({ kind: "subscription", member: "currentKey", not: one.currentKey }),
    block: () => ({ kind: "subscription", member: "state", value: "blocked", once: true }),
    unblock: () => ({ kind: "subscription", member: "state", value: "active", once: true }),
  };
  return { user: one.userId, text: `${ACTS[act][0].replace("?", "")}${given.amount ? ` ${given.amount} dollars` : ""} · ${one.userId}`, ...lookups[act]() };
}

function Act({ act, path, one, session, onClose, onDone }) {
  const [title, verb, text] = ACTS[act];
  const [wrong, setWrong] = useState({});
  const name = `subscription:${act}:${one.userId}`;
  const write = useWrite(name);
  useOutcome(name, (done) => done && onDone());
  const submit = async (event) => {
    event.preventDefault();
    if (write.busy) return;
    const given = Object.fromEntries([...new FormData(event.currentTarget)].map(([field, value]) => [field, value.trim()]).filter(([, value]) => value));
    const found = {
      amount: act === "adjust" && (!/^-?[0-9]{1,6}(\.[0-9]{1,6})?$/.test(given.amount || "") || Number(given.amount) === 0) && "An amount such as 5, 2.50 or -1.",
      reason: !given.reason && "A reason is required. It is kept.",
    };
    setWrong(found);
    if (found.amount || found.reason) return;
    if (!(await write.send(`${path}/${act}`, given, aboutOf(act, one, given, session)))) return;
    say(`${DONE[act]} ${one.userId}.`);
    onDone();
  };
  if (write.pending) {
    return html`<${Dialog} title=${title} step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  return html`<${Dialog} title=${title} step="form" onClose=${onClose} busy=${write.busy}><form class="stack" onSubmit=${submit} onInput=${write.forget} novalidate>
    <p>${text}</p>
    ${act === "adjust" && html`<${Field} label="Amount in dollars" error=${wrong.amount} hint=${`Available: ${dollars(one.available_credits)}`}>${(given) => html`<input ...${given} data-first name="amount" inputmode="decimal" autocomplete="off" />`}<//>`}
    ${act === "plan" && html`<${Field} label="Plan">${(given) => html`<select ...${given} data-first name="plan" defaultValue=${one.plan}>${Object.entries(PLANS).map(([value, label]) => html`<option value=${value} selected=${value === one.plan} key=${value}>${label}</option>`)}</select>`}<//>
      <${Field} label="When it is used up">${(given) => html`<select ...${given} name="policy">${Object.entries(POLICIES).map(([value, label]) => html`<option value=${value} selected=${value === (one.policy || "")} key=${value}>${label}</option>`)}</select>`}<//>`}
    <${Field} label="Reason" error=${wrong.reason}>${(given) => html`<input ...${given} data-first=${!["adjust", "plan"].includes(act) || undefined} dir="auto" name="reason" maxlength="200" autocomplete="off" />`}<//>
    <${Refused} failure=${write.failure} />
    <${Buttons} back="Cancel" onBack=${onClose} busy=${write.busy} doing="Sending…" danger=${act === "block"} act=${write.failure?.definite ? "" : write.failure ? "Try again" : verb} />
  </form><//>`;
}
