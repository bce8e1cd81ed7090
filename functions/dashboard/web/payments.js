// Payments: the inbox of those that fit no purchase, all that are decided, and what the reconciler cannot repair.
import { html, useState } from "./html.js";
import { get } from "./api.js";
import { ListCsv } from "./csv.js";
import { Decision, noReason, Reason } from "./decision.js";
import { DayFields, daysOf, Filters, UserField, userOf } from "./filters.js";
import { Ago, change, clock, credits, isolated, number, Time, zone } from "./format.js";
import { useLoad } from "./loading.js";
import { AssignDialog, granted, IgnoreDialog, linkTo, minorOf, money, pathOf, PROVIDERS, providerOf, RefundDialog, State, STATES, trouble } from "./paying.js";
import { href, setQuery } from "./router.js";
import { Badge, Copy, Empty, Field, Figures, Head, Pager, ReadState, say, Skeleton, Table } from "./ui.js";
import { did, happened, who } from "./words.js";

const PAGE = 50;
const VIEWS = {
  unmatched: "Waiting", decided: "All decided", granted: "Granted", partially_refunded: "Partly refunded", refunded: "Refunded",
  disputed: "Disputed", ignored: "Ignored", returned: "Sent back",
};
const FINDINGS = {
  granted_not_paid: ["Granted, but the provider does not have it", "Look it up at the provider; take the credits back if it was never paid."],
  ledger_disagrees: ["The entries are not what the payment says", "Compare the user's story with the payment before anything is changed."],
  unreadable: ["It could not be read", "Look it up at the provider; the function's log has the reason."],
  short: ["More was taken back than was left", "Dollars of a subscription have no debt: agree with the user, or write it off."],
};
const NAMES = ["state", "provider", "user", "fromDay", "toDay", "currency", "from", "to"];

const CSV = [
  "provider", "paymentId", "status", "reason", "userId", "pack", "grossMinor", "currency", "granted", "unit", "taken", "refundedMinor", "disputedMinor", "receiptNumber", "providerReceipt", "refundReceipt", "account", "paidAt", "seenAt",
].map((name) => [name, (row) => row[name]]);

const columns = () => [
  { label: `First seen (${zone()})`, cls: "when", cell: (row) => html`<${Time} at=${row.seenAt} /> <span class="why"><${Ago} at=${row.seenAt} /></span>` },
  { label: "Payment", cls: "main", cell: (row) => html`<a class="id" href=${linkTo(row)}>${row.paymentId}</a> <span class="quiet">${providerOf(row.provider)}</span>
    ${row.reason && html`<span class="why">${trouble(row.reason)[0]}</span>`}` },
  { label: "User", cls: "who", cell: (row) => (row.userId ? html`<a class="id" href=${href("users", row.userId)}>${row.userId}</a>` : row.account ? html`<bdi class="id">${row.account}</bdi>` : html`<span class="quiet">unknown</span>`) },
  { label: "Paid", cls: "num strong", cell: (row) => money(row.grossMinor, row.currency) },
  { label: "Granted", cls: "num", cell: (row) => (row.granted ? granted(row) : "–") },
  { label: "State", cell: (row) => html`<${State} status=${row.status} />` },
];

// The filters in the address as the API takes them.
function wantedOf(query) {
  const { from, to, currency } = query;
  const least = currency && from ? minorOf(from, currency) : NaN;
  const most = currency && to ? minorOf(to, currency) : NaN;
  return {
    state: VIEWS[query.state] ? query.state : "unmatched", provider: PROVIDERS[query.provider] ? query.provider : "", user: query.user || "", ...daysOf(query),
    currency: /^[A-Z]{3}$/.test(currency || "") ? currency : "", minMinor: Number.isNaN(least) ? "" : least, maxMinor: Number.isNaN(most) ? "" : most,
  };
}

export function Payments({ query, session }) {
  const wanted = wantedOf(query);
  const page = useLoad((signal) => get("/admin/payments", { ...wanted, cursor: query.cursor, limit: PAGE }, { signal }), [wanted, query.cursor]);
  const found = page.found?.payments;
  const isFiltered = NAMES.some((name) => query[name]);
  const isInbox = wanted.state === "unmatched" && !wanted.user;
  return html`<${Head} title="Payments" page=${page} sub=${html`Money in, and money back. <a href=${href("payments", "reconciliation")}>Reconciliation</a>`}>
      <${ListCsv} name="payments" columns=${CSV} read=${(cursor) => get("/admin/payments", { ...wanted, cursor, limit: 100 }).then((answer) => ({ rows: answer.payments, next: answer.nextCursor }))} /><//>
    <${Wanted} key=${JSON.stringify(query)} query=${query} isFiltered=${isFiltered} />
    <${ReadState} page=${page} />
    ${!found && !page.failure && html`<${Skeleton} rows=${8} label="Loading payments" />`}
    ${found && (found.length ? html`<${Table} caption=${VIEWS[wanted.state]} columns=${columns()} rows=${found} rowKey=${(row) => `${row.provider}:${row.paymentId}`} busy=${page.loading} />`
      : html`<${Nothing} next=${page.found.nextCursor} isInbox=${isInbox && !query.provider} />`)}
    ${found && !isInbox && html`<${Pager} cursor=${query.cursor} next=${page.found.nextCursor} count=${found.length} noun=${found.length === 1 ? "payment" : "payments"} />`}
    ${found && isInbox && found.length === PAGE && html`<p class="quiet">These are the ${number(PAGE)} oldest. Decide them to see the others.</p>`}`;
}

function Nothing({ next, isInbox }) {
  if (next) return html`<${Empty} title="None among those searched so far">There are older ones to search: go on with Next.<//>`;
  return isInbox ? html`<${Empty} title="No payment waits for a decision">Every payment that came in is of a purchase. <a href=${href("payments", "", { state: "decided" })}>All decided payments</a><//>`
    : html`<${Empty} title="No payment is like that">Check the filters, or <a href=${href("payments", "", { state: "decided" })}>show all decided payments</a>.<//>`;
}

function Wanted({ query, isFiltered }) {
  const [wrong, setWrong] = useState("");
  const apply = async (given) => {
    const currency = given.currency.toUpperCase();
    const amounts = [given.from, given.to].filter(Boolean);
    const isAmount = (text) => !Number.isNaN(minorOf(text, currency));
    const fault = currency && !/^[A-Z]{3}$/.test(currency) ? "A currency such as KES." : amounts.length && !currency ? "Name the currency of the amounts." : amounts.every(isAmount) ? "" : `An amount of ${currency} such as 650.`;
    setWrong(fault);
    if (!fault) setQuery({ ...given, currency, state: given.state === "unmatched" ? "" : given.state, user: await userOf(given.user), day: "" });
  };
  const clear = () => setQuery(Object.fromEntries(NAMES.map((name) => [name, ""])));
  const choice = (name, label, choices, value) => html`<${Field} label=${label}>${(given) => html`<select ...${given} name=${name}>${choices.map(([key, text]) => html`<option value=${key} selected=${key === value} key=${key}>${text}</option>`)}</select>`}<//>`;
  const text = (name, label, error, more) => html`<${Field} label=${label} error=${error}>${(given) => html`<input ...${given} name=${name} autocomplete="off" defaultValue=${query[name] || ""} ...${more} />`}<//>`;
  return html`<${Filters} count=${NAMES.filter((name) => query[name]).length} apply=${apply}>
    <${UserField} label="User" name="user" value=${query.user || ""} placeholder="any user" />
    ${choice("state", "State", Object.entries(VIEWS), query.state || "unmatched")}
    ${choice("provider", "Provider", [["", "Any"], ...Object.entries(PROVIDERS)], query.provider || "")}
    <${DayFields} ...${daysOf(query)} />
    ${text("currency", "Currency", wrong, { maxlength: 3, placeholder: "any" })}
    ${text("from", "Paid from", "", { inputmode: "decimal", maxlength: 12 })}${text("to", "Paid to", "", { inputmode: "decimal", maxlength: 12 })}
    <div class="buttons"><button class="primary">Filter</button>${isFiltered && html`<button type="button" onClick=${clear}>Show the inbox</button>`}</div>
  <//>`;
}

// `<provider>:<id>`, or the reconciliation.
export function Payment({ id, session }) {
  if (id === "reconciliation") return html`<${Reconciliation} session=${session} />`;
  return html`<${One} id=${id} session=${session} />`;
}

// The payment with its purchase, entries and audit records.
async function load(provider, paymentId, signal) {
  const subject = `${provider}:${paymentId}`;
  const found = await get(pathOf({ provider, paymentId }), {}, { signal });
  const user = found.payment.userId;
  const types = user && found.payment.unit === "credits" ? ["purchase", "clawback", "clawback_return"] : [];
  const [records, ...entries] = await Promise.all([
    get("/admin/audit", { user: `payment:${subject}` }, { signal }).then((answer) => answer.records),
    ...types.map((type) => get("/admin/transactions", { user, type, limit: 200 }, { signal }).then((answer) => answer.transactions)),
  ]);
  return { ...found, records, entries: entries.flat().filter((entry) => entry.subject === subject).sort((one, other) => other.seq - one.seq) };
}

function One({ id, session }) {
  const [provider, ...rest] = id.split(":");
  const paymentId = rest.join(":");
  const page = useLoad((signal) => load(provider, paymentId, signal), [id]);
  const [dialog, setDialog] = useState("");
  if (!page.found) {
    const isUnknown = page.failure?.status === 404;
    return html`<${Head} title=${paymentId || id} />${!page.failure ? html`<${Skeleton} rows=${10} label="Loading the payment" />`
      : isUnknown ? html`<${Empty} title="There is no such payment"><a href=${href("payments")}>All payments</a><//>` : html`<${ReadState} page=${page} />`}`;
  }
  const { payment: row, intent, records, entries } = page.found;
  const mayDecide = session.scopes.includes("credits:write");
  const isOpen = row.status === "unmatched";
  const isGranted = row.granted > 0 || ["granted", "partially_refunded", "refunded", "disputed"].includes(row.status);
  const close = () => setDialog("");
  const done = () => {
    close();
    page.reload();
  };
  return html`<p class="crumbs"><a href=${href("payments")}>Payments</a></p>
    <${Head} title=${row.paymentId} page=${page} sub=${html`${providerOf(row.provider)} <${State} status=${row.status} /> <${Copy} text=${row.paymentId} label="Copy the payment's id" />`}>
      ${mayDecide && isOpen && html`${row.reason !== "receipt_used" && html`<button class="primary" onClick=${() => setDialog("assign")}>Assign</button>`}
        <button onClick=${() => setDialog("refund")}>Sent back</button><button class="danger" onClick=${() => setDialog("ignore")}>Ignore</button>`}
      ${mayDecide && isGranted && html`<button onClick=${() => setDialog("refund")}>Record a refund</button>`}<//>
    <${ReadState} page=${page} />
    ${row.reason && html`<div class=${isOpen ? "stale" : "note-box"}><p><b>${trouble(row.reason)[0]}</b> ${isOpen ? trouble(row.reason)[1] : ""}</p></div>`}
    <${Figures} cls="small" figures=${[
      ["Paid", money(row.grossMinor, row.currency), { cls: "big" }], ["Granted", row.granted ? granted(row) : "nothing"], ["Refunded", money(row.refundedMinor, row.currency)],
      ["Disputed", money(row.disputedMinor, row.currency), { cls: row.disputedMinor ? "warn" : "" }], ["Taken back", row.taken ? granted({ ...row, granted: row.taken }) : "nothing", { note: row.short ? `${number(row.short)} short` : "" }],
    ]} />
    <div class="columns"><section aria-labelledby="entries"><h2 id="entries">Entries</h2><${Entries} row=${row} entries=${entries} />
        <h2 class="later">Decisions</h2><${Records} records=${records} /></section>
      <aside><section aria-labelledby="receipt"><h2 id="receipt">Receipt</h2><${Facts} facts=${[
        ["Number", row.receiptNumber], ["Provider's receipt", row.providerReceipt], ["Refund's receipt", row.refundReceipt], ["Paid", row.paidAt && html`<${Time} at=${row.paidAt} style="full" />`],
        ["First seen", html`<${Time} at=${row.seenAt} style="full" />`], ["User", row.userId && html`<a class="id" href=${href("users", row.userId)}>${row.userId}</a>`], ["Payer", row.payer], ["Account", row.account && html`<bdi class="id">${row.account}</bdi>`], ["Pack", row.pack],
        ["Still to be told", row.toFinish && `the store: ${row.toFinish}`],
      ]} /></section>
      <section aria-labelledby="intent"><h2 id="intent">Purchase</h2>${intent ? html`<${Facts} facts=${[
        ["Id", html`<code>${intent.intentId}</code>`], ["State", intent.status.replaceAll("_", " ")], ["Price", money(intent.amountMinor, intent.currency)], ["Pack", `${intent.packId}, version ${intent.packVersion}`],
        ["Pay code", intent.payCode], ["Begun", html`<${Time} at=${intent.createdAt} style="full" />`], ["Ends", html`<${Time} at=${intent.expiresAt} style="full" />`],
      ]} />` : html`<p class="quiet">It names no purchase.</p>`}</section></aside></div>
    ${dialog === "assign" && html`<${AssignDialog} row=${row} onClose=${close} onDone=${done} />`}
    ${dialog === "refund" && html`<${RefundDialog} row=${row} onClose=${close} onDone=${done} />`}
    ${dialog === "ignore" && html`<${IgnoreDialog} row=${row} onClose=${close} onDone=${done} />`}`;
}

function Facts({ facts }) {
  return html`<dl class="facts">${facts.filter(([, value]) => value).map(([label, value]) => html`<div key=${label}><dt>${label}</dt><dd>${typeof value === "string" ? html`<bdi>${value}</bdi>` : value}</dd></div>`)}</dl>`;
}

function Entries({ row, entries }) {
  if (!row.userId) return html`<p class="quiet">It has granted nothing.</p>`;
  if (row.unit !== "credits") return html`<p class="quiet">Dollars are in the ledger of the <a href=${href("subscriptions", row.userId)}>subscription</a>.</p>`;
  const list = [
    { label: `When (${zone()})`, cls: "when", cell: (entry) => html`<${Time} at=${entry.timestamp} />` },
    { label: "What", cls: "main", cell: (entry) => html`<a href=${href("users", entry.userId, { entry: entry.seq })}>${happened(entry)}</a>` },
    { label: "Change", cls: "num strong", cell: (entry) => change(entry.amount) },
    { label: "Balance", cls: "num", cell: (entry) => number(entry.balanceAfter) },
  ];
  return entries.length ? html`<${Table} caption="Entries of this payment, newest first" columns=${list} rows=${entries} rowKey=${(entry) => entry.seq} />`
    : html`<p class="quiet">The read model does not have them yet; see the <a href=${href("users", row.userId)}>user's story</a>.</p>`;
}

function Records({ records }) {
  if (!records.length) return html`<p class="quiet">No operator has decided about it.</p>`;
  const list = [
    { label: `When (${zone()})`, cls: "when", cell: (record) => html`<${Time} at=${record.timestamp} />` },
    { label: "Who", cls: "main", cell: (record) => html`<b>${who(record.actor)}</b> ${did(record.action)}` },
    { label: "Why", cell: (record) => html`<bdi>${record.reason}</bdi>` },
  ];
  return html`<${Table} caption="Decisions, newest first" columns=${list} rows=${records} rowKey=${(record) => record.key} />`;
}

// What the reconciler read last, what it cannot repair, and a round by hand.
function Reconciliation({ session }) {
  const page = useLoad((signal) => get("/admin/payments/findings", {}, { signal }), []);
  const [isAsked, setAsked] = useState(false);
  const [counts, setCounts] = useState(null);
  const found = page.found;
  const list = [
    { label: "Since", cls: "when", cell: (one) => html`<${Time} at=${one.firstSeenAt} /> <span class="why"><${Ago} at=${one.firstSeenAt} /></span>` },
    { label: "Difference", cls: "main", cell: (one) => html`<b>${(FINDINGS[one.kind] || [one.kind])[0]}</b> <span class="why">${(FINDINGS[one.kind] || ["", ""])[1]}</span>` },
    { label: "Payment", cls: "who", cell: (one) => html`<a class="id" href=${linkTo(one)}>${one.paymentId}</a> <span class="quiet">${providerOf(one.provider)}</span>` },
    { label: "Last seen", cls: "when", cell: (one) => html`<${Ago} at=${one.lastSeenAt} />` },
  ];
  const passes = [
    { label: "List", cls: "main", cell: (one) => html`<code>${one.list}</code>` },
    { label: `Last pass (${zone()})`, cls: "when", cell: (one) => html`<${Time} at=${one.since} /> <span class="why"><${Ago} at=${one.since} /></span>` },
    { label: "State", cell: (one) => html`<${Badge} tone=${one.isUnderWay ? "warn" : "good"}>${one.isUnderWay ? "under way" : "done"}<//>` },
  ];
  return html`<p class="crumbs"><a href=${href("payments")}>Payments</a></p>
    <${Head} title="Reconciliation" page=${page} sub="Payments and refunds of the providers, compared with ours in both directions.">
      ${session.scopes.includes("credits:write") && html`<button class="primary" onClick=${() => setAsked(true)}>Run now</button>`}<//>
    <${ReadState} page=${page} />
    ${counts && html`<p class="verdict" role="status"><${Badge} tone=${counts.isDone ? "good" : "warn"}>${counts.isDone ? "Done" : "Not finished"}<//> At ${clock(counts.at)}: ${counts.text}. ${counts.isDone ? "" : "Time was up: run it again to go on where it ended."}</p>`}
    ${!found && !page.failure && html`<${Skeleton} rows=${6} label="Loading the differences" />`}
    ${found && html`<section aria-labelledby="differences"><h2 id="differences">Differences</h2>${found.findings.length
        ? html`<${Table} caption="What cannot be repaired, oldest first" columns=${list} rows=${found.findings} rowKey=${(one) => `${one.kind}${one.provider}${one.paymentId}`} busy=${page.loading} />`
        : html`<${Empty} title="There is no difference">What was compared is in order.<//>`}</section>
      <section aria-labelledby="passes"><h2 id="passes" class="later">Lists that are read</h2>${found.passes.length
        ? html`<${Table} caption="Lists that are read" columns=${passes} rows=${found.passes} rowKey=${(one) => one.list} />` : html`<p class="quiet">No round has run yet.</p>`}</section>`}
    ${isAsked && html`<${RunDialog} passes=${found?.passes || []} onClose=${() => setAsked(false)} onMade=${setCounts} onDone=${() => { setAsked(false); page.reload(); }} />`}`;
}

const COUNTED = { intents: "purchases looked at", listed: "rows read", granted: "granted", repeated: "known already", checked: "grants checked", findings: "differences", resolved: "resolved", later: "tried later", finished: "told to the store" };

function RunDialog({ passes, onClose, onDone, onMade }) {
  const [reason, setReason] = useState("");
  const make = () => (noReason(reason) ? null : {
    path: "/admin/payments/reconcile", body: { reason: reason.trim() }, about: { kind: "round", before: JSON.stringify(passes), text: "A round of the reconciler" },
  });
  const made = ({ counts, isDone }) => {
    const text = Object.entries(counts).filter(([, count]) => count).map(([name, count]) => `${number(count)} ${COUNTED[name] || name.replaceAll("_", " ")}`).join(", ") || "nothing to do";
    onMade({ text, isDone, at: Date.now() });
    say(isDone ? "The round is done." : "The round used up its time.", { tone: isDone ? "good" : "bad" });
  };
  return html`<${Decision} title="Run the reconciler now?" act="reconcile" verb="Run" doing="Comparing…" make=${make} onMade=${made} onClose=${onClose} onDone=${onDone}>${(tried) => html`
    <p>Every list is read since its last pass. It takes up to half a minute and repairs what the provider proves.</p>
    <${Reason} value=${reason} set=${setReason} first=${true} wrong=${tried && noReason(reason)} usual=${["A payer asks", "After an outage"]} />`}<//>`;
}
