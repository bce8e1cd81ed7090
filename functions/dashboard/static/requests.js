export default ($all) => {
const { $api, $balance, $csv, $decision, $filters, $format, $html, $loading, $paying, $router, $ui, $words } = $all;
const $requests = $all.$requests = (() => {
const { html, useState } = $html;
const { get } = $api;
const { Preview, readBalance } = $balance;
const { ListCsv } = $csv;
const { Decision, noReason, Reason } = $decision;
const { Filters, UserField, userOf } = $filters;
const { Ago, credits, isolated, number, Time, zone } = $format;
const { useLoad } = $loading;
const { AssignDialog, grantOf, linkTo, money, pricedAt, State: PaymentState, trouble } = $paying;
const { href, setQuery } = $router;
const { Badge, Empty, Field, Head, Pager, Quoted, ReadState, say, Skeleton, Table } = $ui;
const { who } = $words;

const PAGE = 50;
const MOST = 1000000;
const VIEWS = { pending: "Waiting", answered: "Answered" };
const STATES = { pending: ["waits", "warn"], approved: ["approved", "good"], rejected: ["rejected", "bad"] };
const KINDS = {
  paybill: "paid to a paybill", till: "paid to a till", send: "sent to a person", received: "received money, not a payment to us", airtime: "bought airtime",
  withdraw: "took out cash", reversal: "a reversal", fuliza_notice: "a notice of a loan", other: "another message",
};

const CSV = ["id", "userId", "status", "receipt", "message", "createdAt", "answeredAt", "answeredBy", "answer", "credits", "proof"].map((name) => [name, (one) => one[name]]);

function Said({ said }) {
  if (!said) return html`<span class="why">No message of a known form: read it yourself.</span>`;
  return html`<span class="why">It says: ${said.currency ? html`<b>${money(said.amountMinor, said.currency)}</b>, ` : ""}${KINDS[said.kind] || said.kind}${said.account ? html`, account <bdi>${said.account}</bdi>` : ""}${said.day ? `, on ${said.day}` : ""}.</span>`;
}

function Answer({ one, mayAnswer, onAnswer }) {
  if (one.status === "pending") {
    return mayAnswer ? html`<span class="buttons"><button class="small" aria-label=${`Approve ${one.receipt || one.id}`} onClick=${() => onAnswer("approve", one)}>Approve</button>
      <button class="small" aria-label=${`Reject ${one.receipt || one.id}`} onClick=${() => onAnswer("reject", one)}>Reject</button></span>` : html`<${Badge} tone="warn">waits<//>`;
  }
  const [label, tone] = STATES[one.status];
  return html`<${Badge} tone=${tone}>${label}<//> ${one.credits ? credits(one.credits) : ""} <span class="why">by ${who(one.answeredBy || "")}, <${Time} at=${one.answeredAt} /></span>
    ${one.answer && html`<${Quoted}>${one.answer}<//>`}`;
}

function Requests({ query, session }) {
  const user = query.user || "";
  const state = VIEWS[query.state] ? query.state : "pending";
  const page = useLoad((signal) => get("/admin/credit-requests", user ? { user, limit: 100 } : { state, limit: PAGE, cursor: state === "answered" ? query.cursor : "" }, { signal }), [user, state, query.cursor]);
  const [dialog, setDialog] = useState(null);
  const found = page.found?.requests;
  const mayAnswer = session.scopes.includes("credits:write");
  const columns = [
    { label: `Reported (${zone()})`, cls: "when", cell: (one) => html`<${Time} at=${one.createdAt} /> <span class="why"><${Ago} at=${one.createdAt} /></span>` },
    { label: "Message", cls: "main", cell: (one) => html`${one.message ? html`<bdi class="quoted">${one.message}</bdi>` : html`<span class="quiet">The message was erased.</span>`}${one.message && html`<${Said} said=${one.said} />`}` },
    { label: "User", cls: "who", cell: (one) => html`<a class="id" href=${href("users", one.userId)}>${one.userId}</a>` },
    { label: "Receipt", cls: "by", cell: (one) => (one.receipt ? html`<code>${one.receipt}</code>` : html`<span class="quiet">none</span>`) },
    { label: "Answer", cls: "act", cell: (one) => html`<${Answer} one=${one} mayAnswer=${mayAnswer} onAnswer=${(kind, of) => setDialog({ kind, of })} />` },
  ];
  const close = () => setDialog(null);
  const done = () => {
    close();
    page.reload();
  };
  const apply = async (given) => setQuery({ user: await userOf(given.user), state: given.state === "pending" ? "" : given.state });
  return html`<${Head} title="Requests for credits" page=${page} sub="Payments that users report. A request grants nothing by itself.">
      <${ListCsv} name="requests" columns=${CSV} read=${(cursor) => get("/admin/credit-requests", user ? { user, limit: 100 } : { state, cursor, limit: 100 }).then((answer) => ({ rows: answer.requests, next: answer.nextCursor }))} /><//>
    <${Filters} key=${JSON.stringify([user, state])} count=${user ? 1 : 0} apply=${apply}>
      <${UserField} label="User" name="user" value=${user} placeholder="any user" />
      <${Field} label="State">${(given) => html`<select ...${given} name="state" disabled=${!!user}>${Object.entries(VIEWS).map(([value, label]) => html`<option value=${value} selected=${value === state} key=${value}>${label}</option>`)}</select>`}<//>
      <div class="buttons"><button class="primary">Filter</button>${user && html`<button type="button" onClick=${() => setQuery({ user: "", state: "" })}>All users</button>`}</div>
    <//>
    <${ReadState} page=${page} />
    ${!found && !page.failure && html`<${Skeleton} rows=${8} label="Loading requests" />`}
    ${found && (found.length ? html`<${Table} caption="Requests for credits" columns=${columns} rows=${found} rowKey=${(one) => one.id} busy=${page.loading} />`
      : html`<${Empty} title=${user ? `${user} has reported no payment` : state === "pending" ? "No request waits for an answer" : "No request has been answered yet"}>Apps report a payment with POST /v1/credits/request.<//>`)}
    ${found && !user && (state === "answered" ? html`<${Pager} cursor=${query.cursor} next=${page.found.nextCursor} count=${found.length} noun="requests" />`
      : found.length === PAGE && html`<p class="quiet">These are the ${number(PAGE)} oldest. Answer them to see the others.</p>`)}
    ${dialog?.kind === "approve" && html`<${ApproveDialog} key=${dialog.of.id} one=${dialog.of} onClose=${close} onDone=${done} onAssign=${(row) => setDialog({ kind: "assign", of: dialog.of, row })} />`}
    ${dialog?.kind === "assign" && html`<${AssignDialog} key="assign" row=${dialog.row} user=${dialog.of.userId} onClose=${close} onDone=${done} />`}
    ${dialog?.kind === "reject" && html`<${RejectDialog} key=${dialog.of.id} one=${dialog.of} onClose=${close} onDone=${done} />`}`;
}

function load(one, receipt, signal) {
  const unknown = (failure) => {
    if (failure.status !== 404) throw failure;
    return null;
  };
  return Promise.all([
    readBalance(one.userId, signal).catch(unknown),
    receipt ? get(`/admin/payments/mpesa/${encodeURIComponent(receipt)}`, {}, { signal }).then((found) => found.payment, unknown) : null,
    get("/admin/packs", {}, { signal }).then((found) => found.packs),
  ]).then(([balance, payment, packs]) => ({ balance: balance || { balance: 0, owed: 0 }, payment, packs }));
}

function Proof({ payment, receipt, user, onAssign }) {
  if (!receipt) return html`<p class="quiet">Type the receipt that proves the payment.</p>`;
  if (!payment) return html`<p class="stale"><span><b>No provider has proved ${receipt}.</b> Look it up in the provider's portal before you approve: anyone can write such a message.</span></p>`;
  const paid = money(payment.grossMinor, payment.currency);
  if (payment.status === "unmatched") {
    return html`<div class="note-box"><p class="title">This payment has arrived: <a href=${linkTo(payment)}>${paid}</a></p>
      <p>It waits in the inbox. ${trouble(payment.reason)[0]} Assign it instead: its pack is granted, and this request is answered with it.</p>
      <p><button type="button" class="primary" data-first onClick=${() => onAssign(payment)}>Assign the payment</button></p></div>`;
  }
  return html`<div class="note-box"><p class="title">This payment is decided already: <a href=${linkTo(payment)}>${paid}</a> <${PaymentState} status=${payment.status} /></p>
    <p>${payment.userId ? html`It was granted to <span class="id">${payment.userId}</span>${payment.userId === user ? ", this user" : ", another user"}. ` : ""}It cannot be added a second time: reject the request.</p></div>`;
}

function ApproveDialog({ one, onClose, onDone, onAssign }) {
  const [receipt, setReceipt] = useState(one.receipt || "");
  const [typed, setTyped] = useState(null);
  const [note, setNote] = useState("");
  const isReceipt = /^[A-Za-z0-9._:-]{1,64}$/.test(receipt);
  const page = useLoad((signal) => load(one, isReceipt ? receipt : "", signal), [isReceipt ? receipt : ""]);
  const fitting = page.found && one.said ? pricedAt(page.found.packs, one.said.amountMinor, one.said.currency) : [];
  const amount = typed ?? (fitting.length === 1 ? String(grantOf(fitting[0]) || "") : "");
  const size = /^[0-9]{1,7}$/.test(amount) ? Number(amount) : NaN;
  const wrong = { amount: size >= 1 && size <= MOST ? "" : `A whole number from 1 to ${number(MOST)}.`, receipt: isReceipt ? "" : "The receipt that proves the payment." };
  const balance = page.found?.balance;
  const paid = balance ? Math.min(balance.owed, size) || 0 : 0;
  const make = () => (wrong.amount || wrong.receipt || !page.found ? null : {
    path: `/admin/credit-requests/${encodeURIComponent(one.id)}/approve`, body: { credits: size, receipt, provider: "mpesa", reason: note.trim() },
    about: { kind: "request", user: one.userId, id: one.id, status: "approved", text: `Approve ${credits(size)} for ${receipt} · ${one.userId}` },
  });
  return html`<${Decision} title="Approve this request" act=${`request:${one.id}`} verb=${size ? `Add ${credits(size)}` : "Approve"} wide=${true} make=${make} blocked=${Boolean(page.found?.payment)}
      onMade=${() => say(`${credits(size)} are added for ${isolated(receipt)}. ${one.userId} can read the answer.`)} onClose=${onClose} onDone=${onDone}>${(tried) => html`
    <p><bdi class="quoted">${one.message || "The message was erased."}</bdi><${Said} said=${one.said} /></p>
    <${ReadState} page=${page} />
    ${page.loading && !page.found ? html`<p class="quiet">Looking for the payment…</p>` : page.found && html`<${Proof} payment=${page.found.payment} receipt=${isReceipt ? receipt : ""} user=${one.userId} onAssign=${onAssign} />`}
    ${!page.found?.payment && html`<div class="pairs"><${Field} label="Receipt" error=${tried && wrong.receipt}>${(given) => html`<input ...${given} data-first=${!one.receipt || undefined} maxlength="64" autocomplete="off" spellcheck=${false} value=${receipt} onInput=${(event) => setReceipt(event.target.value.trim().toUpperCase())} />`}<//>
      <${Field} label="Credits" error=${tried && wrong.amount} hint=${fitting.length ? `Packs with this price: ${fitting.map((pack) => pack.label).join(", ")}` : one.said ? "No pack has this price." : ""}>
        ${(given) => html`<input ...${given} data-first=${one.receipt ? true : undefined} inputmode="numeric" autocomplete="off" value=${amount} onInput=${(event) => setTyped(event.target.value.trim())} />`}<//></div>
      ${balance && size > 0 && html`<${Preview} userId=${one.userId} balance=${balance.balance} size=${size} owed=${-paid} />`}
      <${Reason} label="A word to the user" hint="Not required. The user can read it." value=${note} set=${setNote} />`}`}<//>`;
}

function RejectDialog({ one, onClose, onDone }) {
  const [reason, setReason] = useState("");
  const make = () => (noReason(reason) ? null : {
    path: `/admin/credit-requests/${encodeURIComponent(one.id)}/reject`, body: { reason: reason.trim() },
    about: { kind: "request", user: one.userId, id: one.id, status: "rejected", text: `Reject the request ${one.receipt || one.id} · ${one.userId}` },
  });
  return html`<${Decision} title="Reject this request?" act=${`request:${one.id}`} verb="Reject" danger=${true} make=${make}
      onMade=${() => say("The request is rejected. The user can read why.")} onClose=${onClose} onDone=${onDone}>${(tried) => html`
    <p><bdi class="quoted">${one.message || "The message was erased."}</bdi></p>
    <${Reason} label="Reason" hint="The user can read it in the app." value=${reason} set=${setReason} first=${true} wrong=${tried && noReason(reason)}
      usual=${["This receipt is not one of ours.", "This payment was added already.", "The payment was reversed.", "We have not received this payment."]} />`}<//>`;
}
return { Requests: Requests };
})();
};
