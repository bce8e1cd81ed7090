export default ($all) => {
const { $api, $balance, $decision, $format, $html, $loading, $router, $ui } = $all;
const $paying = $all.$paying = (() => {
const { html, useState } = $html;
const { get } = $api;
const { Preview, readBalance } = $balance;
const { Decision, noReason, Reason } = $decision;
const { credits, dollars, isolated, number, Time } = $format;
const { useLoad } = $loading;
const { href } = $router;
const { Badge, Field, say } = $ui;

const PROVIDERS = { stripe: "Stripe", mpesa: "M-Pesa", google: "Google Play" };
const STATES = {
  unmatched: ["waits for a decision", "warn"], noted: ["not paid yet", ""], granted: ["granted", "good"], partially_refunded: ["partly refunded", "warn"],
  refunded: ["refunded", ""], disputed: ["disputed", "bad"], ignored: ["ignored", ""], returned: ["sent back", ""],
};

const TROUBLES = {
  no_intent: ["It names no purchase of ours.", "Ask the payer, or find the order; assign it, or send it back."],
  unknown_account: ["What was typed is no pay code, or nobody is known for the store's account.", "Compare the account with purchases that were begun at about that time, then assign it."],
  amount_too_low: ["Less than the price was paid.", "Agree with the payer: assign a smaller pack, or send it back."],
  other_currency: ["It was paid in another currency than the purchase's.", "Send it back."],
  other_environment: ["A test payment in a live deployment, or the reverse.", "Ignore it. If there are many, keys of the wrong mode are in use."],
  unknown_product: ["The store sold a product that no pack has.", "Correct the pack's product id, then assign it."],
  mixed_products: ["Credits and dollars were bought together.", "Correct the packs, then assign it."],
  already_consumed: ["The store says that it was delivered before, and not by us.", "Look the order up in the store's console; assign it or ignore it."],
  intent_already_paid: ["It is a second payment for one purchase.", "Ask the payer: assign another pack, or send it back."],
  receipt_used: ["Its receipt paid another purchase.", "Ignore it: the payment is granted already. Many of them: somebody tries callbacks."],
  other_business: ["It was reported for another short code.", "Look the receipt up in the portal; assign it or ignore it."],
  other_request: ["It was reported for another prompt.", "Look the receipt up in the portal; assign it or ignore it."],
  not_reversed: ["M-Pesa refused to send it back.", "Look the receipt up in the portal and send it back there, or leave it."],
  overpaid: ["More than the price was paid.", "Agree with the payer about the rest."],
};

const trouble = (reason) => TROUBLES[reason] || [reason ? `${reason.replaceAll("_", " ")}.` : "", ""];
const providerOf = (name) => PROVIDERS[name] || name;
const pathOf = ({ provider, paymentId }) => `/admin/payments/${encodeURIComponent(provider)}/${encodeURIComponent(paymentId)}`;
const linkTo = ({ provider, paymentId }) => href("payments", `${provider}:${paymentId}`);

function money(minor, currency) {
  if (minor === null || minor === undefined) return "–";
  if (!currency) return `${number(minor)} ${minor === 1 ? "unit" : "units"}`;
  try {
    const format = new Intl.NumberFormat(undefined, { style: "currency", currency, currencyDisplay: "code" });
    return format.format(minor / 10 ** format.resolvedOptions().maximumFractionDigits).replaceAll("\u00a0", " ");
  } catch {
    return `${number(minor)} minor units of ${currency}`;
  }
}

function minorOf(typed, currency) {
  const digits = new Intl.NumberFormat(undefined, { style: "currency", currency }).resolvedOptions().maximumFractionDigits;
  const form = new RegExp(digits ? `^[0-9]{1,10}(\\.[0-9]{1,${digits}})?$` : "^[0-9]{1,12}$");
  return form.test(typed) ? Math.round(Number(typed) * 10 ** digits) : NaN;
}

const granted = (row) => (row.unit === "dollars" || row.unit === "usd" ? dollars(row.granted / 1e6) : credits(row.granted));

function State({ status }) {
  const [label, tone] = STATES[status] || [status, ""];
  return html`<${Badge} tone=${tone}>${label}<//>`;
}

function packText(pack) {
  const size = pack.dollars ? dollars(pack.dollars) : credits(pack.credits + pack.bonus);
  return pack.label === size ? size : `${pack.label}: ${size}`;
}

const grantOf = (pack) => (pack.dollars ? 0 : pack.credits + pack.bonus);
const pricedAt = (packs, minor, currency) => packs.filter((pack) => pack.active !== false && pack.prices?.[currency] === minor);

const aboutPayment = (row, members, text) => ({ kind: "payment", path: pathOf(row), members, text: `${text} · ${providerOf(row.provider)} ${row.paymentId}` });

function Paid({ row }) {
  return html`<dl class="preview"><div><dt>Payment</dt><dd class="id">${providerOf(row.provider)} ${row.paymentId}</dd></div>
    <div><dt>Paid</dt><dd class="num">${money(row.grossMinor, row.currency)}</dd></div>
    ${row.paidAt && html`<div><dt>On</dt><dd><${Time} at=${row.paidAt} style="full" /></dd></div>`}
    ${row.account && html`<div><dt>Account</dt><dd><bdi class="id">${row.account}</bdi></dd></div>`}
    ${row.payer && html`<div><dt>Payer</dt><dd><bdi>${row.payer}</bdi></dd></div>`}</dl>`;
}

function AssignDialog({ row, user: known = "", onClose, onDone }) {
  const packs = useLoad((signal) => get("/admin/packs", {}, { signal }).then((found) => found.packs), []);
  const [user, setUser] = useState(known || row.userId || "");
  const [chosen, setChosen] = useState("");
  const [reason, setReason] = useState("");
  const isId = /^[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,127}$/.test(user);
  const balance = useLoad((signal) => (isId ? readBalance(user, signal) : Promise.resolve(null)), [isId ? user : ""]);
  const sold = (packs.found || []).filter((pack) => pack.active !== false);
  const fitting = pricedAt(sold, row.grossMinor, row.currency);
  const code = chosen || (fitting.length === 1 ? fitting[0].packId : "");
  const pack = sold.find((one) => one.packId === code);
  const wrong = { user: !isId ? "The id of a user." : balance.failure?.status === 404 ? "There is no such user." : "", pack: pack ? "" : "Choose a pack.", reason: noReason(reason) };
  const make = () => (wrong.user || wrong.pack || wrong.reason ? null : {
    path: `${pathOf(row)}/assign`, body: { userId: user, packId: code, reason: reason.trim() },
    about: aboutPayment(row, { userId: user, status: "granted" }, `Assign to ${user}`),
  });
  const paid = pack && balance.found ? Math.min(balance.found.owed, grantOf(pack)) : 0;
  return html`<${Decision} title="Assign this payment" act=${`assign:${row.provider}:${row.paymentId}`} verb="Assign" doing="Assigning…" wide=${true} make=${make}
      onMade=${() => say(`The payment is assigned to ${isolated(user)}: ${isolated(packText(pack))}.`)} onClose=${onClose} onDone=${onDone}>${(tried) => html`
    <${Paid} row=${row} />
    <div class="pairs"><${Field} label="User" error=${tried && wrong.user}>${(given) => html`<input ...${given} data-first=${!known || undefined} maxlength="128" autocomplete="off" spellcheck=${false} value=${user} onInput=${(event) => setUser(event.target.value.trim())} />`}<//>
    <${Field} label="Pack" error=${tried && wrong.pack} hint=${fitting.length ? `With this price: ${fitting.map((one) => one.label).join(", ")}` : packs.found ? "No pack has this price." : "Reading the packs…"}>
      ${(given) => html`<select ...${given} data-first=${known ? true : undefined} value=${code} onChange=${(event) => setChosen(event.target.value)}><option value="">Choose</option>
        ${sold.map((one) => html`<option value=${one.packId} key=${one.packId} selected=${one.packId === code}>${packText(one)}</option>`)}</select>`}<//></div>
    ${pack && grantOf(pack) > 0 && balance.found && html`<${Preview} userId=${user} balance=${balance.found.balance} size=${grantOf(pack)} owed=${-paid} />`}
    ${pack && pack.dollars > 0 && html`<p class="quiet">${packText(pack)} go to the subscription of <span class="id">${user}</span>.</p>`}
    <${Reason} value=${reason} set=${setReason} wrong=${tried && wrong.reason} usual=${["The payer wrote to us", "The pay code was mistyped"]} />`}<//>`;
}

function IgnoreDialog({ row, onClose, onDone }) {
  const [reason, setReason] = useState("");
  const make = () => (noReason(reason) ? null : {
    path: `${pathOf(row)}/ignore`, body: { reason: reason.trim() }, about: aboutPayment(row, { status: "ignored" }, "Ignore"),
  });
  return html`<${Decision} title="Ignore this payment?" act=${`ignore:${row.provider}:${row.paymentId}`} verb="Ignore" danger=${true} make=${make}
      onMade=${() => say("The payment is closed. It granted nothing.")} onClose=${onClose} onDone=${onDone}>${(tried) => html`
    <${Paid} row=${row} /><p>It leaves the inbox and grants nothing, also where the provider reports it again. This cannot be undone.</p>
    <${Reason} value=${reason} set=${setReason} first=${true} wrong=${tried && noReason(reason)} usual=${["Test payment", "Granted already"]} />`}<//>`;
}

function RefundDialog({ row, onClose, onDone }) {
  const isGranted = !["unmatched", "ignored", "returned", "noted"].includes(row.status);
  const [amount, setAmount] = useState("");
  const [receipt, setReceipt] = useState("");
  const [reason, setReason] = useState("");
  const total = amount === "" ? row.grossMinor : row.currency ? minorOf(amount, row.currency) : Number(amount);
  const wrong = {
    amount: Number.isInteger(total) && total >= 0 && total <= row.grossMinor ? "" : `An amount up to ${money(row.grossMinor, row.currency)}.`,
    receipt: /^[A-Za-z0-9._-]{1,64}$/.test(receipt) ? "" : "The provider's receipt of the refund: letters, digits and . _ - only.", reason: noReason(reason),
  };
  const make = () => (wrong.amount || wrong.receipt || wrong.reason ? null : {
    path: `${pathOf(row)}/refund`, body: { receipt, reason: reason.trim(), ...(isGranted && amount !== "" && { amountMinor: total }) },
    about: aboutPayment(row, { refundReceipt: receipt }, "Record a refund"),
  });
  const taken = row.grossMinor ? Math.floor((row.granted * total) / row.grossMinor) : 0;
  return html`<${Decision} title=${isGranted ? "Record a refund" : "Record that it was sent back"} act=${`refund:${row.provider}:${row.paymentId}`} verb="Record" danger=${isGranted} make=${make}
      onMade=${() => say("The refund is recorded.")} onClose=${onClose} onDone=${onDone}>${(tried) => html`
    <${Paid} row=${row} /><p>Make the refund at ${providerOf(row.provider)} first: this records it and sends no money.</p>
    ${isGranted && html`<${Field} label="Sent back in all" error=${tried && wrong.amount} hint=${`Empty for everything, ${money(row.grossMinor, row.currency)}. Refunded so far: ${money(row.refundedMinor, row.currency)}.`}>
      ${(given) => html`<input ...${given} data-first inputmode="decimal" autocomplete="off" value=${amount} onInput=${(event) => setAmount(event.target.value.trim())} />`}<//>`}
    <${Field} label="Receipt of the refund" error=${tried && wrong.receipt}>${(given) => html`<input ...${given} data-first=${!isGranted || undefined} maxlength="64" autocomplete="off" spellcheck=${false} value=${receipt} onInput=${(event) => setReceipt(event.target.value.trim())} />`}<//>
    ${isGranted && !wrong.amount && html`<dl class="preview"><div><dt>Granted</dt><dd class="num">${granted(row)}</dd></div><div><dt>Taken back so far</dt><dd class="num">${granted({ ...row, granted: row.taken })}</dd></div>
      <div class="total"><dt>Taken back then</dt><dd class="num">${granted({ ...row, granted: taken })}</dd></div></dl>
      <p class="quiet">What is spent already becomes owed; the next grant pays it first.</p>`}
    <${Reason} value=${reason} set=${setReason} wrong=${tried && wrong.reason} usual=${["The payer asked for it", "Paid twice"]} />`}<//>`;
}
return { PROVIDERS: PROVIDERS, STATES: STATES, trouble: trouble, providerOf: providerOf, pathOf: pathOf, linkTo: linkTo, money: money, minorOf: minorOf, granted: granted, State: State, grantOf: grantOf, pricedAt: pricedAt, AssignDialog: AssignDialog, IgnoreDialog: IgnoreDialog, RefundDialog: RefundDialog };
})();
};
