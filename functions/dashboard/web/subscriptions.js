// Subscriptions: what is left, which keys there are (never their secrets), and what operators do.
import { html, useEffect, useRef, useState } from "./html.js";
import { call, get, newKey } from "./api.js";
import { Chart } from "./chart.js";
import { dollars, number, Time } from "./format.js";
import { href, setQuery } from "./router.js";
import { Badge, Dialog, Empty, Field, Head, Pager, say, Skeleton, Table, Trouble, useLoad, WriteTrouble } from "./ui.js";
import { who, why } from "./words.js";

const PAGE = 50;
const PLANS = { basic: "Basic", pro: "Pro", enterprise: "Enterprise" };
const POLICIES = { "": "As this deployment does", reset: "Begin anew", block: "Block", top_up: "Wait for a top-up" };
const MOODS = { active: "good", live: "good", current: "good", blocked: "bad", disabled: "", deleted: "", retired: "" };

const State = ({ state }) => html`<${Badge} tone=${MOODS[state] ?? "warn"}>${String(state).replaceAll("_", " ")}<//>`;

const COLUMNS = [
  { label: "User", cls: "main", cell: (one) => html`<a class="id" href=${href("subscriptions", one.userId)}>${one.userId}</a>
    ${one.email && html`<span class="why">${one.email}</span>`}` },
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
  return html`<${Head} title="Subscriptions" />
    <form class="bar" role="search" onSubmit=${look}><div class="search"><label class="sr" for="q">User id begins with</label>
      <input id="q" name="q" type="search" placeholder="User id begins with…" autocomplete="off" maxlength="128" value=${prefix} /></div><button>Search</button></form>
    ${page.failure && !page.loading && html`<${Absent} failure=${page.failure} retry=${page.reload} />`}
    ${!found && page.loading && html`<${Skeleton} rows=${8} label="Loading subscriptions" />`}
    ${found && !page.failure && (found.length ? html`<${Table} caption="Subscriptions" columns=${COLUMNS} rows=${found} rowKey=${(one) => one.userId} busy=${page.loading} />
      <${Pager} cursor=${query.cursor} next=${page.found.nextCursor} count=${found.length} noun="subscriptions" />`
      : html`<${Empty} title=${prefix ? `No subscriber's id begins with “${prefix}”` : "There are no subscriptions yet"}>The first call of POST /api/key makes one.<//>`)}`;
}

function Absent({ failure, retry }) {
  if (failure.code !== "route_not_found") return html`<${Trouble} failure=${failure} retry=${retry} />`;
  return html`<${Empty} title="This gateway has no subscription service">It is not part of this deployment.<//>`;
}

export function Subscription({ id, session }) {
  const path = `/admin/subscriptions/${encodeURIComponent(id)}`;
  const page = useLoad((signal) => get(path, {}, { signal }), [id]);
  const [act, setAct] = useState(null);
  const one = page.found;
  if (!one) {
    return html`<${Head} title=${id} />${page.failure && !page.loading
      ? page.failure.code === "not_found" ? html`<${Empty} title="There is no such subscription"><a href=${href("subscriptions")}>All subscriptions</a><//>` : html`<${Absent} failure=${page.failure} retry=${page.reload} />`
      : html`<${Skeleton} rows=${10} label="Loading the subscription" />`}`;
  }
  const done = () => {
    setAct(null);
    page.reload();
  };
  const mayChange = session.scopes.includes("subscriptions:write");
  const isBlocked = one.state === "blocked";
  return html`<p class="crumbs"><a href=${href("subscriptions")}>Subscriptions</a></p>
    <${Head} title=${one.userId} sub=${html`<${State} state=${one.state} /> ${[one.username, one.email].filter(Boolean).join(" · ")}`}>
      ${mayChange && html`<button class="primary" onClick=${() => setAct("adjust")}>Top up or take off</button>
        <button onClick=${() => setAct("plan")}>Change plan</button><button onClick=${() => setAct("rotate")}>Rotate key</button>
        <button class=${isBlocked ? "" : "danger"} onClick=${() => setAct(isBlocked ? "unblock" : "block")}>${isBlocked ? "Unblock" : "Block"}</button>`}<//>
    ${page.failure && html`<${Trouble} failure=${page.failure} retry=${page.reload} />`}
    <dl class="figures-grid small">${[
      ["Left", one.unlimited ? "unlimited" : dollars(one.remaining_credits), "big"], ["Of", dollars(one.total_credits)], ["Plan", PLANS[one.plan] || one.plan],
      ["Lasts", (one.runway || "unknown").replace(/^lasts /, "")], ["In keys", dollars(one.held_credits)], ["Not in keys", dollars(one.available_credits)],
    ].map(([label, value, cls]) => html`<div class=${`figure ${cls || ""}`} key=${label}><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>
    <p class=${one.verification.ok ? "verdict good" : "verdict bad"}><${Badge} tone=${one.verification.ok ? "good" : "bad"}>${one.verification.ok ? "Adds up" : "Does not add up"}<//>
      ${one.verification.ok ? `${number(one.verification.entries)} entries explain this balance.` : one.verification.findings.map((finding) => finding.text).join(" ")}</p>
    <div class="columns"><section aria-labelledby="keys"><h2 id="keys">Keys and rotations</h2><${Keys} keys=${one.keys} current=${one.currentKey} />
      <h2 class="later">Ledger</h2><${Moves} entries=${one.transactions} /></section>
      <aside><${Spend} days=${one.days} /></aside></div>
    ${act && html`<${Act} key=${act} act=${act} path=${path} one=${one} onClose=${() => setAct(null)} onDone=${done} />`}`;
}

const KEY_COLUMNS = (current) => [
  { label: "Key", cls: "main", cell: (key) => html`<code>${key.name}</code> ${key.number === current && html`<${Badge} tone="good">current<//>`}` },
  { label: "Used", cls: "num strong", cell: (key) => dollars(key.used_credits) },
  { label: "Limit", cls: "num", cell: (key) => dollars(key.limit_credits) },
  { label: "State", cell: (key) => html`<${State} state=${key.state} />` },
  { label: "Made", cls: "when", cell: (key) => html`<${Time} at=${key.createdAt} />` },
];

function Keys({ keys, current }) {
  if (!keys.length) return html`<${Empty} title="No key was made yet" />`;
  return html`<${Table} caption="Keys, newest first" columns=${KEY_COLUMNS(current)} rows=${keys} rowKey=${(key) => key.number} />`;
}

const MOVES = [
  { label: "When", cls: "when", cell: (entry) => html`<${Time} at=${entry.timestamp} />` },
  { label: "What", cls: "main", cell: (entry) => html`${entry.type.replaceAll("_", " ")}${why(entry) && html`<span class="why">“${why(entry)}”</span>`}` },
  { label: "By", cls: "by", cell: (entry) => who(entry.actor || "") },
  { label: "Change", cls: "num strong", cell: (entry) => dollars(entry.amount / 1e6) },
  { label: "Not in keys", cls: "num", cell: (entry) => dollars(entry.balanceAfter / 1e6) },
];

function Moves({ entries }) {
  if (!entries.length) return html`<${Empty} title="Nothing has moved yet" />`;
  const columns = entries.some((entry) => entry.actor) ? MOVES : MOVES.filter((column) => column.label !== "By");
  return html`<${Table} caption="Entries, newest first" columns=${columns} rows=${entries} rowKey=${(entry) => entry.seq} />`;
}

function Spend({ days }) {
  if (!days?.length) return null;
  const oldest = [...days].reverse();
  return html`<${Chart} title="Used by day, in US cents" times=${oldest.map((day) => Date.parse(`${day.day}T00:00:00Z`) / 1000)}
    series=${[{ label: "cents", color: "--accent", values: oldest.map((day) => Math.round(day.used_credits * 100)), bars: true }]} />`;
}

const ACTS = {
  adjust: ["Top up or take off", "Send", "One credit is one US dollar. A minus takes off what no key has set aside."],
  plan: ["Change the plan", "Change it", "What is left stays; the plan decides what comes from now on."],
  rotate: ["Rotate the key now?", "Rotate", "A new key is made and handed over; the old one works for a short while and is then charged to the end."],
  block: ["Block this subscription?", "Block", "The current key is disabled at once. The balance stays as it is."],
  unblock: ["Unblock this subscription?", "Unblock", "The next call gets a key again."],
};
const DONE = { adjust: "The balance is changed.", plan: "The plan is changed.", rotate: "The key is rotated.", block: "The subscription is blocked.", unblock: "The subscription is not blocked any more." };

function Act({ act, path, one, onClose, onDone }) {
  const [title, verb, text] = ACTS[act];
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState(null);
  const [wrong, setWrong] = useState({});
  const sent = useRef({ said: "", key: "" });
  const first = useRef();
  useEffect(() => first.current?.querySelector("input, select")?.focus(), []);
  const submit = async (event) => {
    event.preventDefault();
    const given = Object.fromEntries([...new FormData(event.currentTarget)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value));
    const found = {
      amount: act === "adjust" && (!/^-?[0-9]{1,6}(\.[0-9]{1,6})?$/.test(given.amount || "") || Number(given.amount) === 0) && "An amount such as 5, 2.50 or -1.",
      reason: !given.reason && "Say why; it is kept.",
    };
    setWrong(found);
    if (found.amount || found.reason) return;
    const said = JSON.stringify(given);
    if (sent.current.said !== said) sent.current = { said, key: newKey() };
    setBusy(true);
    setFailure(null);
    try {
      await call("POST", `${path}/${act}`, { body: given, key: sent.current.key });
      say(`${DONE[act]} ${one.userId}.`);
      onDone();
    } catch (error) {
      if (error.code !== "session_ended") setFailure(error);
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${title} onClose=${onClose} busy=${busy}><form class="stack" ref=${first} onSubmit=${submit} novalidate>
    <p>${text}</p>
    ${act === "adjust" && html`<${Field} label="Amount in dollars" error=${wrong.amount} hint=${`Not in keys: ${dollars(one.available_credits)}`}>${(given) => html`<input ...${given} name="amount" inputmode="decimal" autocomplete="off" />`}<//>`}
    ${act === "plan" && html`<${Field} label="Plan">${(given) => html`<select ...${given} name="plan" defaultValue=${one.plan}>${Object.entries(PLANS).map(([value, label]) => html`<option value=${value} selected=${value === one.plan} key=${value}>${label}</option>`)}</select>`}<//>
      <${Field} label="When it is used up">${(given) => html`<select ...${given} name="policy">${Object.entries(POLICIES).map(([value, label]) => html`<option value=${value} selected=${value === (one.policy || "")} key=${value}>${label}</option>`)}</select>`}<//>`}
    <${Field} label="Reason" error=${wrong.reason}>${(given) => html`<input ...${given} name="reason" maxlength="200" autocomplete="off" />`}<//>
    <${WriteTrouble} failure=${failure} />
    <footer><button type="button" disabled=${busy} onClick=${onClose}>Cancel</button>
      <button class=${act === "block" ? "danger" : "primary"} disabled=${busy}>${busy ? "Sending…" : failure ? "Send again" : verb}</button></footer>
  </form><//>`;
}
