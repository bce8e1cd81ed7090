// Notices to the operator's own system: what was delivered, what failed and why, and sending again.
import { html, useState } from "./html.js";
import { get } from "./api.js";
import { ListCsv } from "./csv.js";
import { Decision, noReason, Reason } from "./decision.js";
import { Alike, Filters, UserField, userOf } from "./filters.js";
import { Ago, number, Time, zone } from "./format.js";
import { useLoad } from "./loading.js";
import { href, setQuery } from "./router.js";
import { Badge, Empty, Field, Head, Pager, ReadState, say, Skeleton, Table } from "./ui.js";

const PAGE = 50;
const VIEWS = { failed: "Failed", pending: "Waiting", delivered: "Delivered" };
const TONES = { failed: "bad", pending: "warn", delivered: "good" };
const TYPES = {
  "payment.granted": "A payment was granted", "payment.refunded": "A payment went back", "payment.unmatched": "A payment waits for a decision", "credits.low": "Credits are low",
  "subscription.low_balance": "A subscription is low", "subscription.key_rotated": "A key was replaced",
};
const NOBODY = "payments";

const CSV = [
  ...["id", "userId", "type", "timestamp", "state", "nextAttemptAt"].map((name) => [name, (one) => one[name]]),
  ["attempts", (one) => one.attempts.length], ["lastOutcome", (one) => one.attempts.at(-1)?.outcome], ["data", (one) => JSON.stringify(one.data)],
];

function Attempts({ notice }) {
  const last = notice.attempts.at(-1);
  if (!last) return html`<span class="quiet">not tried yet</span>`;
  return html`<details class="more"><summary>${last.outcome} <span class="quiet">after ${number(notice.attempts.length)} ${notice.attempts.length === 1 ? "attempt" : "attempts"}</span></summary>
    <ol>${[...notice.attempts].reverse().map((one, place) => html`<li key=${place}><${Time} at=${one.timestamp} />: ${one.outcome}</li>`)}</ol></details>`;
}

export function Notices({ query, session }) {
  const user = query.user || "";
  const state = VIEWS[query.state] ? query.state : "failed";
  const page = useLoad((signal) => get("/admin/notices", { ...(user ? { user } : { state }), cursor: query.cursor, limit: PAGE }, { signal }), [user, state, query.cursor]);
  const [chosen, setChosen] = useState([]);
  const [asked, setAsked] = useState(null);
  const found = page.found?.notices;
  const maySend = session.scopes.includes("subscriptions:write");
  const picked = (found || []).filter((one) => chosen.includes(one.id));
  const toggle = (id) => setChosen(chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id]);
  const columns = [
    { label: `Happened (${zone()})`, cls: "when", cell: (one) => html`<${Time} at=${one.timestamp} />` },
    { label: "Notice", cls: "main", cell: (one) => html`${maySend && html`<input type="checkbox" class="pick" aria-label=${`Choose ${one.id}`} checked=${chosen.includes(one.id)} onChange=${() => toggle(one.id)} />`}<b>${TYPES[one.type] || one.type}</b>
      <details class="more"><summary><code>${one.id}</code></summary><pre>${JSON.stringify(one.data, null, 1)}</pre></details>` },
    { label: "User", cls: "who", cell: (one) => (one.userId === NOBODY ? html`<span class="quiet">no user</span>` : html`<a class="id" href=${href("users", one.userId)}>${one.userId}</a>`) },
    { label: "State", cell: (one) => html`<${Badge} tone=${TONES[one.state]}>${one.state}<//> ${one.nextAttemptAt && html`<span class="why">next try <${Ago} at=${one.nextAttemptAt} /></span>`}` },
    { label: "Last answer", cell: (one) => html`<${Attempts} notice=${one} />` },
  ];
  const done = () => {
    setAsked(null);
    setChosen([]);
    page.reload();
  };
  const apply = async (given) => setQuery({ user: await userOf(given.user), state: given.state === "failed" ? "" : given.state });
  return html`<${Head} title="Notices" page=${page} sub="Messages to your own system, sent until it answers 2xx, for about two days.">
      ${maySend && found?.length > 0 && html`<button class="primary" disabled=${!picked.length} onClick=${() => setAsked(picked)}>Send ${picked.length || ""} again</button>
        <button onClick=${() => setAsked(found)}>Send all ${number(found.length)} again</button>`}
      <${ListCsv} name="notices" columns=${CSV} read=${(cursor) => get("/admin/notices", { ...(user ? { user } : { state }), cursor, limit: 100 }).then((answer) => ({ rows: answer.notices, next: answer.nextCursor }))} /><//>
    <${Filters} key=${JSON.stringify([user, state])} count=${user ? 1 : 0} apply=${apply}>
      <${UserField} label="User" name="user" value=${user} placeholder="any user" />
      <${Field} label="State">${(given) => html`<select ...${given} name="state" disabled=${!!user}>${Object.entries(VIEWS).map(([value, label]) => html`<option value=${value} selected=${value === state} key=${value}>${label}</option>`)}</select>`}<//>
      <div class="buttons"><button class="primary">Filter</button>${user && html`<button type="button" onClick=${() => setQuery({ user: "" })}>All users</button>`}</div><//>
    <${ReadState} page=${page} />
    ${page.found && !page.found.isOn && html`<div class="note-box"><p>This deployment sends no notices: its parameter <code>NotifyUrl</code> is empty.</p></div>`}
    ${!found && !page.failure && html`<${Skeleton} rows=${8} label="Loading notices" />`}
    ${found && (found.length ? html`<${Table} caption="Notices" columns=${columns} rows=${found} rowKey=${(one) => one.id} busy=${page.loading} />`
      : html`<${Empty} title=${user ? `There is no notice about ${user}` : state === "failed" ? "No notice has failed" : state === "pending" ? "No notice waits to be sent" : "No notice was delivered"}>Notices are kept for 30 days. ${user && html`<${Alike} prefix=${user} />`}<//>`)}
    ${found && html`<${Pager} cursor=${query.cursor} next=${page.found.nextCursor} count=${found.length} noun="notices" />`}
    ${asked && html`<${SendDialog} notices=${asked} onClose=${() => setAsked(null)} onDone=${done} />`}`;
}

function SendDialog({ notices, onClose, onDone }) {
  const [reason, setReason] = useState("");
  const [first] = notices;
  const make = () => (noReason(reason) ? null : {
    path: "/admin/notices/replay", body: { notices: notices.map(({ userId, id }) => `${userId}/${id}`), reason: reason.trim() },
    about: { kind: "audited", subject: first.userId, action: "webhook_replay", reason: reason.trim(), after: new Date().toISOString(), text: `Send ${number(notices.length)} ${notices.length === 1 ? "notice" : "notices"} again` },
  });
  const made = (answer) => {
    const gone = answer.notices.filter((one) => one.state === "not_found").length;
    say(`${number(answer.notices.length - gone)} will be sent within a minute.${gone ? ` ${number(gone)} had expired.` : ""}`, { tone: gone ? "bad" : "good" });
  };
  return html`<${Decision} title=${notices.length === 1 ? "Send this notice again?" : `Send these ${number(notices.length)} notices again?`} act=${`replay:${notices.map((one) => one.id).join()}`} verb="Send again" make=${make}
      onMade=${made} onClose=${onClose} onDone=${onDone}>${(tried) => html`
    <p>Each keeps its <code>webhook-id</code>, so a receiver can recognise it. Tries begin anew.</p>
    <${Reason} value=${reason} set=${setReason} first=${true} wrong=${tried && noReason(reason)} usual=${["The receiver was down", "The receiver lost it"]} />`}<//>`;
}
