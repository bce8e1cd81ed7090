// One user's story: where every credit came from and where it went.
import { html, useState } from "./html.js";
import { AdjustDialog, UndoDialog } from "./adjust.js";
import { get } from "./api.js";
import { Chart } from "./chart.js";
import { EraseDialog, PersonalData } from "./erase.js";
import { Ago, change, credits, number, Time } from "./format.js";
import { href } from "./router.js";
import { Badge, Copy, Empty, Head, Skeleton, Trouble, useLoad } from "./ui.js";
import { happened, outcome, tone, who, why } from "./words.js";

const STORY_PAGE = 50;
const CHART_ENTRIES = 500;

function load(userId, signal) {
  return Promise.all([
    get(`/admin/users/${encodeURIComponent(userId)}`, {}, { signal }),
    get("/admin/transactions", { user: userId, limit: CHART_ENTRIES }, { signal }),
  ]).then(([user, page]) => ({ user, entries: page.transactions, more: page.nextCursor }));
}

export function User({ id, query, session }) {
  const page = useLoad((signal) => load(id, signal), [id]);
  const [dialog, setDialog] = useState(null);
  const mayChange = session.scopes.includes("credits:write");
  const mayErase = session.scopes.includes("admin");
  const done = ({ undo }) => {
    setDialog(undo ? { kind: "undo", entry: undo } : null);
    page.reload();
  };
  if (!page.found) {
    return html`<${Head} title=${id} />${page.failure && !page.loading
      ? page.failure.status === 404 || page.failure.code === "invalid_request" ? html`<${Unknown} id=${id} />` : html`<${Trouble} failure=${page.failure} retry=${page.reload} />`
      : html`<${Skeleton} rows=${12} label="Loading the user" />`}`;
  }
  const { user, entries, more } = page.found;
  const close = () => setDialog(null);
  return html`<p class="crumbs"><a href=${href("users")}>Users</a></p>
    <${Head} title=${user.userId} sub=${html`<${Copy} text=${user.userId} label="Copy the user id" /> ${user.totals && html`since <${Time} at=${user.totals.createdAt} style="day" />`}`}>
      ${mayChange && html`<button class="primary" onClick=${() => setDialog({ kind: "add" })}>Add credits</button>
        <button onClick=${() => setDialog({ kind: "deduct" })}>Take credits off</button>`}
    <//>
    ${page.failure && html`<${Trouble} failure=${page.failure} retry=${page.reload} />`}
    <${Verdict} check=${user.verification} />
    <${Sums} user=${user} />
    <div class="columns">
      <section aria-labelledby="story"><h2 id="story">Story</h2>
        <${Story} entries=${entries} more=${more} focus=${query.entry} mayUndo=${mayChange} onUndo=${(entry) => setDialog({ kind: "undo", entry })} />
      </section>
      <aside>
        <section aria-labelledby="open"><h2 id="open">Open holds</h2><${Holds} holds=${user.openHolds} none="Nothing is set aside at this moment." /></section>
        <section><${Course} entries=${entries} /></section>
        <section aria-labelledby="jobs"><h2 id="jobs">Tokens and jobs</h2><${Holds} holds=${(user.holds || []).filter((hold) => hold.state !== "open")} none="No token has come to its end yet." /></section>
        <${PersonalData} user=${user} mayErase=${mayErase} onErase=${() => setDialog({ kind: "erase" })} />
      </aside>
    </div>
    ${dialog?.kind === "undo" && html`<${UndoDialog} key=${`undo${dialog.entry.seq}`} userId=${id} balance=${user.balance} entry=${dialog.entry} onClose=${close} onDone=${done} />`}
    ${dialog?.kind === "erase" && html`<${EraseDialog} user=${user} onClose=${close} onDone=${done} />`}
    ${["add", "deduct"].includes(dialog?.kind) && html`<${AdjustDialog} key=${dialog.kind} kind=${dialog.kind} userId=${id} balance=${user.balance} onClose=${close} onDone=${done} />`}`;
}

function Unknown({ id }) {
  return html`<${Empty} title="There is no such user">Nobody has exactly this id. <a href=${href("users", "", { q: id.slice(0, 4) })}>Look for ids that begin alike</a>.<//>`;
}

function Verdict({ check }) {
  if (check.ok) {
    return html`<p class="verdict good"><${Badge} tone="good">Adds up<//> The ledger was checked just now: ${number(check.entries)} ${check.entries === 1 ? "entry explains" : "entries explain"} this balance.</p>`;
  }
  return html`<div class="verdict bad" role="alert"><p><${Badge} tone="bad">Does not add up<//> The ledger's check found ${number(check.findings.length)} ${check.findings.length === 1 ? "thing" : "things"}. Do not adjust this balance before somebody has looked.</p>
    <ul>${check.findings.map((finding, n) => html`<li key=${n}>${finding.seq ? `Entry ${finding.seq}: ` : ""}${finding.text}</li>`)}</ul></div>`;
}

function Sums({ user }) {
  const totals = user.totals || {};
  const figures = [
    ["Can be spent", user.balance, "big"], ["Set aside", user.heldCredits ?? user.reservedUnits],
    ["Added", totals.added], ["Taken off", totals.deducted], ["Spent", totals.spent], ["Given back", totals.refunded],
  ];
  return html`<dl class="figures-grid small">${figures.map(([label, value, cls]) => html`
    <div class=${`figure ${cls || ""}`} key=${label}><dt>${label}</dt><dd>${number(value)}</dd></div>`)}</dl>`;
}

function Story({ entries, more, focus, mayUndo, onUndo }) {
  const [shown, setShown] = useState(STORY_PAGE);
  const later = new Map(entries.filter((entry) => entry.reverses).map((entry) => [entry.reverses, entry]));
  if (!entries.length) return html`<${Empty} title="Nothing happened yet" />`;
  return html`<ol class="story" reversed>${entries.slice(0, shown).map((entry) => html`
      <${Line} key=${entry.seq} entry=${entry} isFocus=${String(entry.seq) === focus} later=${later.get(entry.seq)} mayUndo=${mayUndo} onUndo=${onUndo} />`)}</ol>
    ${shown < entries.length && html`<p><button onClick=${() => setShown(shown + STORY_PAGE)}>Show older</button></p>`}
    ${shown >= entries.length && more && html`<p><a href=${href("transactions", "", { user: entries[0].userId, cursor: more })}>Older ones are among the transactions</a></p>`}`;
}

function Line({ entry, isFocus, later, mayUndo, onUndo }) {
  const canUndo = mayUndo && entry.undoable && !later;
  const end = outcome(entry, later);
  return html`<li class=${isFocus ? "line focus" : "line"} id=${`entry-${entry.seq}`}>
    <div class="what"><p>${happened(entry)}${end && html` <a class="plain" href=${`#entry-${later.seq}`} title=${`entry ${later.seq}`}><${Badge} tone=${end[1]}>${end[0]}<//></a>`}</p>
      ${why(entry) && html`<p class="why">“${why(entry)}”</p>`}
      <details class="more"><summary><${Time} at=${entry.timestamp} style="full" /> · ${who(entry.actor)}${entry.address && ` · from ${entry.address}`} · entry ${entry.seq}</summary><dl>
        <${Fact} name="Request" value=${entry.requestId} /><${Fact} name="About" value=${entry.subject} />
        <${Fact} name="Actor" value=${entry.actor} /><${Fact} name="Browser or app" value=${entry.userAgent} />
        <${Fact} name="Set aside" value=${entry.heldChange ? change(entry.heldChange) : ""} /><${Fact} name="Reverses" value=${entry.reverses && `entry ${entry.reverses}`} />
        <${Fact} name="Type" value=${entry.type} /></dl></details>
    </div>
    <div class="amounts"><b class=${`num ${tone(entry)}`}>${entry.amount ? change(entry.amount) : "±0"}</b>
      <span class="num quiet small">balance ${number(entry.balanceAfter)}</span>
      ${canUndo && html`<button class="small" aria-label=${`Undo entry ${entry.seq}`} onClick=${() => onUndo(entry)}>Undo</button>`}</div>
  </li>`;
}

const Fact = ({ name, value }) => (value ? html`<div><dt>${name}</dt><dd>${value}</dd></div>` : null);

const OUTCOMES = { open: ["open", "warn"], captured: ["delivered", "good"], released: ["given back", ""], spent: ["spent", ""], written_off: ["not charged", "warn"] };

function Holds({ holds, none }) {
  if (!holds.length) return html`<p class="quiet">${none}</p>`;
  return html`<ul class="holds">${holds.map((hold) => {
    const [label, mood] = OUTCOMES[hold.state || "open"] || [hold.state, ""];
    return html`<li key=${hold.jti}><div><b>${credits(hold.amount)}</b> <${Badge} tone=${mood}>${label}<//></div>
      <p class="quiet small">${hold.jobId ? html`Job <code>${hold.jobId}</code>` : hold.used ? "Used; no job was started" : ["open", "released"].includes(hold.state || "open") ? "Token not used" : "No job is named"}${" · "}<a href=${`#entry-${hold.seq}`}>entry ${hold.seq}</a> · <${Ago} at=${hold.heldSince} /></p></li>`;
  })}</ul>`;
}

function Course({ entries }) {
  if (entries.length < 2) return null;
  const oldest = [...entries].reverse();
  const byTime = new Map(oldest.map((entry) => [Date.parse(entry.timestamp) / 1000, entry.balanceAfter]));
  byTime.set(Math.floor(Date.now() / 1000), oldest.at(-1).balanceAfter);
  const values = [...byTime.values()];
  return html`<${Chart} title="Balance" step="moment" times=${[...byTime.keys()]} series=${[{ label: "can be spent", color: "--accent", values, now: values.at(-1), step: true }]} />`;
}
