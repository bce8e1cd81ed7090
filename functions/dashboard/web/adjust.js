// Changing a balance: a reason, a preview, a confirmation, and an undo.
import { html, useState } from "./html.js";
import { Preview, readBalance as read } from "./balance.js";
import { Buttons, Dialog } from "./dialog.js";
import { clock, credits, number } from "./format.js";
import { useLoad } from "./loading.js";
import { Field, say, Trouble } from "./ui.js";
import { Refused, Unknown, useOutcome, useWrite } from "./writes.js";

const MOST = 1000000;
const KINDS = {
  add: {
    title: "Add credits", ask: "Add these credits?", path: "/admin/add-credits", type: "admin_add", sign: 1, done: "added",
    act: (size) => `Add ${credits(size)}`, reasons: ["Transcription was wrong", "Paid, but not credited", "Goodwill", "Test"],
  },
  deduct: {
    title: "Deduct credits", ask: "Deduct these credits?", path: "/admin/deduct-credits", type: "admin_deduct", sign: -1, done: "deducted",
    act: (size) => `Deduct ${credits(size)}`, reasons: ["Credited twice", "Payment was refunded", "Test"],
  },
};

function BalanceNow({ page, userId }) {
  if (page.failure && !page.found) return html`<${Trouble} failure=${page.failure} retry=${page.reload} />`;
  return html`<p class="quiet">User <span class="id">${userId}</span>. ${page.found ? `Available: ${credits(page.found.balance)}, read at ${clock(page.at)}.` : "Reading the balance…"}</p>`;
}

// Says the outcome. A balance that differs from the preview is named, as is an answer that was given before.
function sayDone(userId, made, expected, done, onDone) {
  const moved = made.newBalance !== expected ? ` The balance had changed since the preview, so it is not ${number(expected)}.` : "";
  const text = made.replayed ? `This had been carried out before; the balance of ${userId} was ${number(made.newBalance)} then.`
    : `The balance of ${userId} is ${number(made.newBalance)}.${moved}`;
  say(`${credits(Math.abs(made.amount - made.owedChange))} ${done}. ${text}`, { action: { label: "Undo", run: () => onDone({ undo: made }) } });
}

export function AdjustDialog({ kind, userId, session, onClose, onDone }) {
  const how = KINDS[kind];
  const [amount, setAmount] = useState("");
  const [reason, setReason] = useState("");
  const [step, setStep] = useState("form");
  const [seen, setSeen] = useState(null);
  const [checking, setChecking] = useState(false);
  const [unread, setUnread] = useState(null);
  const [tried, setTried] = useState(false);
  const now = useLoad((signal) => read(userId, signal), [userId]);
  const act = `${kind}:${userId}`;
  const write = useWrite(act);
  useOutcome(act, (done) => (done ? onDone({}) : write.forget()));
  const size = /^[0-9]{1,7}$/.test(amount) ? Number(amount) : NaN;
  const { balance, owed } = seen || now.found || {};
  const paid = kind === "add" ? Math.min(owed, size) || 0 : 0;
  const after = balance + how.sign * size - paid;
  const wrong = {
    amount: !(size >= 1 && size <= MOST) ? `A whole number from 1 to ${number(MOST)}.`
      : after < 0 ? `Only ${credits(balance)} can be deducted.` : "",
    reason: reason.trim() ? "" : "A reason is required. The ledger keeps it permanently.",
  };
  const review = async (event) => {
    event.preventDefault();
    setTried(true);
    if (wrong.amount && !(seen && after < 0) || wrong.reason || checking) return;
    setChecking(true);
    setUnread(null);
    try {
      setSeen(await read(userId));
      setStep("confirm");
    } catch (failure) {
      if (!failure.loggedOut) setUnread(failure);
    }
    setChecking(false);
  };
  const confirm = async (event) => {
    event.preventDefault();
    if (write.busy || after < 0) return;
    const body = { userId, amount: size, reason: reason.trim() };
    const about = {
      kind: "entry", user: userId, after: seen.seq, type: how.type, amount: how.sign * size, reason: body.reason,
      actor: `operator:${session.name}`, once: true, text: `${how.act(size)} · ${userId}`,
    };
    const made = await write.send(how.path, body, about);
    if (!made) return;
    sayDone(userId, { ...made, amount: how.sign * size - paid, owedChange: -paid }, after, how.done, onDone);
    onDone({});
  };
  if (write.pending) {
    return html`<${Dialog} title=${how.title} step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  if (step === "confirm") {
    const blocked = after < 0 || write.failure?.definite;
    return html`<${Dialog} title=${how.ask} step="confirm" onClose=${onClose} busy=${write.busy}><form class="stack" onSubmit=${confirm}>
      <${Preview} userId=${userId} balance=${seen.balance} size=${how.sign * size} owed=${-paid} reason=${reason.trim()} />
      ${after < 0 && html`<p class="error" role="alert">The balance fell to ${number(balance)} since the dialog was opened, so this amount cannot be deducted.</p>`}
      <${Refused} failure=${write.failure} />
      <${Buttons} back="Back" onBack=${() => { write.forget(); setStep("form"); }} busy=${write.busy} doing="Sending…" danger=${kind === "deduct"} first=${true}
        act=${blocked ? "" : write.failure ? "Try again" : how.act(size)} /></form><//>`;
  }
  return html`<${Dialog} title=${how.title} step="form" onClose=${onClose}>
    <form class="stack" onSubmit=${review} novalidate>
      <${BalanceNow} page=${now} userId=${userId} />
      <${Field} label="Credits" error=${tried && wrong.amount} hint=${Number.isNaN(after) || after < 0 ? "" : `New balance: ${number(after)}${paid ? `; ${number(paid)} pays what is owed` : ""}`}>
        ${(given) => html`<input ...${given} inputmode="numeric" autocomplete="off" data-first value=${amount} onInput=${(event) => setAmount(event.target.value.trim())} />`}<//>
      <${Field} label="Reason" error=${tried && wrong.reason}>
        ${(given) => html`<input ...${given} dir="auto" maxlength="200" autocomplete="off" value=${reason} onInput=${(event) => setReason(event.target.value)} />`}<//>
      <div class="chips" role="group" aria-label="Common reasons">${how.reasons.map((text) => html`
        <button type="button" class="chip" key=${text} onClick=${() => setReason(text)}>${text}</button>`)}</div>
      ${unread && html`<div class="trouble compact" role="alert"><p class="title">The balance could not be read. ${unread.message}</p><p>Nothing was sent.</p></div>`}
      <${Buttons} back="Cancel" onBack=${onClose} act="Review" doing="Reading the balance…" busy=${checking} />
    </form><//>`;
}

export function UndoDialog({ userId, entry, onClose, onDone }) {
  const [reason, setReason] = useState(`Undo of entry ${entry.seq}`);
  const now = useLoad((signal) => read(userId, signal), [userId]);
  const act = `undo:${userId}:${entry.seq}`;
  const write = useWrite(act);
  useOutcome(act, (done) => done && onDone({}));
  const after = now.found && now.found.balance - entry.amount;
  const confirm = async (event) => {
    event.preventDefault();
    if (write.busy) return;
    const path = `/admin/users/${encodeURIComponent(userId)}/transactions/${entry.seq}/undo`;
    const about = { kind: "entry", user: userId, reverses: entry.seq, once: true, text: `Undo entry ${entry.seq} · ${userId}` };
    const made = await write.send(path, { reason: reason.trim() || `Undo of entry ${entry.seq}` }, about);
    if (!made) return;
    say(`Entry ${entry.seq} is undone. The balance of ${userId} ${made.replayed ? "was" : "is"} ${number(made.newBalance)}.`);
    onDone({});
  };
  const title = `Undo entry ${entry.seq}?`;
  if (write.pending) {
    return html`<${Dialog} title=${title} step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  return html`<${Dialog} title=${title} step="form" onClose=${onClose} busy=${write.busy}>
    <form class="stack" onSubmit=${confirm}>
      <p>Entries are never changed or removed. The undo is a new entry that reverses entry ${entry.seq} and names it.</p>
      ${now.found ? html`<${Preview} userId=${userId} balance=${now.found.balance} size=${(entry.owedChange || 0) - entry.amount} owed=${-(entry.owedChange || 0)} />` : html`<${BalanceNow} page=${now} userId=${userId} />`}
      ${after < 0 && html`<p class="error">Part of these credits is spent: the balance cannot go below 0, so the undo will be refused.</p>`}
      <${Field} label="Reason">${(given) => html`<input ...${given} dir="auto" data-first maxlength="200" autocomplete="off" value=${reason} onInput=${(event) => setReason(event.target.value)} />`}<//>
      <${Refused} failure=${write.failure} />
      <${Buttons} back="Cancel" onBack=${onClose} busy=${write.busy} doing="Sending…" act=${write.failure?.definite ? "" : write.failure ? "Try again" : "Undo"} />
    </form><//>`;
}
