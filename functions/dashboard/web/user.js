// One user's story: where every credit came from and where it went.
import { html, useState } from "./html.js";
import { AdjustDialog, UndoDialog } from "./adjust.js";
import { get } from "./api.js";
import { Chart } from "./chart.js";
import { EraseDialog, PersonalData } from "./erase.js";
import { clock, number, Time } from "./format.js";
import { Grants, Use } from "./grants.js";
import { EndDialog, Holds, HoldsCsv } from "./holds.js";
import { useLoad } from "./loading.js";
import { href } from "./router.js";
import { Story } from "./story.js";
import { Badge, Copy, Empty, Figures, Head, ReadState, Skeleton } from "./ui.js";
import { useUnknown } from "./writes.js";

const CHART_ENTRIES = 200;
const HOLDS_SHOWN = 50;

function load(userId, signal) {
  return Promise.all([
    get(`/admin/users/${encodeURIComponent(userId)}`, {}, { signal }),
    get("/admin/transactions", { user: userId, limit: CHART_ENTRIES }, { signal }),
    get("/admin/holds", { user: userId, state: "any" }, { signal }),
  ]).then(([user, page, { holds }]) => ({ user, entries: page.transactions, ended: holds.filter((hold) => hold.state !== "open").slice(0, HOLDS_SHOWN) }));
}

export function User({ id, query, session }) {
  const page = useLoad((signal) => load(id, signal), [id]);
  const [dialog, setDialog] = useState(null);
  const mayChange = session.scopes.includes("credits:write");
  const mayEnd = session.scopes.includes("holds:write");
  const mayErase = session.scopes.includes("admin");
  if (!page.found) {
    const isUnknown = page.failure?.status === 404 || page.failure?.code === "invalid_request";
    return html`<${Head} title=${id} />${!page.failure ? html`<${Skeleton} rows=${12} label="Loading the user" />`
      : isUnknown ? html`<${UnknownUser} id=${id} />` : html`<${ReadState} page=${page} />`}`;
  }
  const { user, entries, ended } = page.found;
  const close = () => setDialog(null);
  const done = ({ undo }) => {
    setDialog(undo ? { kind: "undo", entry: undo } : null);
    page.reload();
  };
  return html`<p class="crumbs"><a href=${href("users")}>Users</a></p>
    <${Head} title=${user.userId} page=${page} sub=${html`<${Copy} text=${user.userId} label="Copy the user id" /> ${user.totals && html`since <${Time} at=${user.totals.createdAt} style="day" />`}`}>
      ${mayChange && html`<button class="primary" onClick=${() => setDialog({ kind: "add" })}>Add credits</button>
        <button onClick=${() => setDialog({ kind: "deduct" })}>Deduct credits</button>`}
    <//>
    <${ReadState} page=${page} />
    <${Verdict} page=${page} />
    <${Sums} user=${user} />
    <div class="columns">
      <section aria-labelledby="story"><h2 id="story">Story</h2>
        <${Story} user=${user.userId} newest=${entries} query=${query} mayUndo=${mayChange} onUndo=${(entry) => setDialog({ kind: "undo", entry })} />
      </section>
      <aside>
        <section aria-labelledby="open"><h2 id="open">Open holds</h2><${Holds} user=${user.userId} holds=${user.openHolds} none="No credit is held." mayEnd=${mayEnd} onEnd=${(hold) => setDialog({ kind: "end", hold })} /></section>
        <${Grants} user=${user} entries=${entries} />
        <section><${Course} entries=${entries} /></section>
        <${Use} entries=${entries} />
        <section aria-labelledby="jobs"><h2 id="jobs">Tokens, jobs and holds</h2><${Holds} user=${user.userId} holds=${ended} none="No hold has ended yet." />
          ${(user.openHolds.length > 0 || ended.length > 0) && html`<p><${HoldsCsv} user=${user.userId} /></p>`}</section>
        <${PersonalData} user=${user} mayErase=${mayErase} onErase=${() => setDialog({ kind: "erase" })} />
      </aside>
    </div>
    ${dialog?.kind === "undo" && html`<${UndoDialog} key=${`undo${dialog.entry.seq}`} userId=${id} entry=${dialog.entry} onClose=${close} onDone=${done} />`}
    ${dialog?.kind === "end" && html`<${EndDialog} key=${`end${dialog.hold.jti}`} user=${id} hold=${dialog.hold} onClose=${close} onDone=${done} />`}
    ${dialog?.kind === "erase" && html`<${EraseDialog} user=${user} onClose=${close} onDone=${done} />`}
    ${["add", "deduct"].includes(dialog?.kind) && html`<${AdjustDialog} key=${dialog.kind} kind=${dialog.kind} userId=${id} session=${session} onClose=${close} onDone=${done} />`}`;
}

function UnknownUser({ id }) {
  return html`<${Empty} title="There is no such user">No user has exactly this id. <a href=${href("users", "", { q: id.slice(0, 4) })}>Search for ids with the same beginning</a>.<//>`;
}

function Verdict({ page }) {
  const { user } = page.found;
  const check = user.verification;
  const unknown = useUnknown().some((write) => write.about.user === user.userId);
  if (!check.ok) {
    return html`<div class="verdict bad" role="alert"><p><${Badge} tone="bad">Does not add up<//> The ledger's check found ${number(check.findings.length)} ${check.findings.length === 1 ? "fault" : "faults"}. Do not adjust this balance before the fault is understood.</p>
      <ul>${check.findings.map((finding, n) => html`<li key=${n}>${finding.seq ? `Entry ${finding.seq}: ` : ""}${finding.text}</li>`)}</ul></div>`;
  }
  if (page.failure || unknown) {
    return html`<p class="verdict"><${Badge} tone="warn">Out of date<//> At ${clock(page.at)} the ledger added up. ${unknown ? "The outcome of a change sent since is not known yet." : "It could not be read since."}</p>`;
  }
  return html`<p class="verdict good"><${Badge} tone="good">Adds up<//> Checked at ${clock(page.at)}: ${number(check.entries)} ${check.entries === 1 ? "entry explains" : "entries explain"} this balance.</p>`;
}

function Sums({ user }) {
  const totals = user.totals || {};
  return html`<${Figures} cls="small" figures=${[
    ["Available", number(user.balance), { cls: "big" }], ["Held", number(user.heldCredits ?? user.reservedUnits), { note: holdsNote(user.openHolds) }],
    ["Owed", number(user.owed ?? 0), { cls: user.owed ? "warn" : "", note: user.owed ? "the next grant pays it" : "" }],
    ["Added", number(totals.added)], ["Deducted", number(totals.deducted)], ["Spent", number(totals.spent)], ["Returned", number(totals.refunded)],
  ]} />`;
}

const holdsNote = ({ length }) => (length ? `in ${number(length)} open ${length === 1 ? "hold" : "holds"}` : "");

function Course({ entries }) {
  if (entries.length < 2) return null;
  const oldest = [...entries].reverse();
  const byTime = new Map(oldest.map((entry) => [Date.parse(entry.timestamp) / 1000, entry.balanceAfter]));
  byTime.set(Math.floor(Date.now() / 1000), oldest.at(-1).balanceAfter);
  const values = [...byTime.values()];
  return html`<${Chart} title="Balance" unit="in credits" step="moment" times=${[...byTime.keys()]} series=${[{ label: "available", color: "--accent", values, now: values.at(-1), step: true }]} />`;
}
