// Changing a balance by hand: a reason, a preview, a confirmation, and a way back.
import { html, useRef, useState } from "./html.js";
import { call, get, newKey } from "./api.js";
import { change, credits, number } from "./format.js";
import { Dialog, Field, say, WriteTrouble } from "./ui.js";

const MOST = 1000000;
const REASONS = {
  add: ["Transcription was wrong", "Paid, but not credited", "Goodwill", "Test"],
  deduct: ["Credited twice", "Payment was refunded", "Test"],
};

// One write that can be sent again: the same key for as long as it says the same.
function useWrite() {
  const key = useRef({ said: "", key: "" });
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState(null);
  const send = async (path, body) => {
    const said = JSON.stringify([path, body]);
    if (key.current.said !== said) key.current = { said, key: newKey() };
    setBusy(true);
    setFailure(null);
    try {
      return await call("POST", path, { body, key: key.current.key });
    } catch (error) {
      if (error.code !== "session_ended") setFailure(error);
      return null;
    } finally {
      setBusy(false);
    }
  };
  return { busy, failure, send };
}

// Says how it went; a balance that moved meanwhile is named, as the preview promised another one.
function sayDone(userId, made, expected, done, onDone) {
  const moved = made.newBalance !== expected ? ` It had changed while you looked, so it is not ${number(expected)}.` : "";
  say(`${credits(Math.abs(made.amount))} ${done}. The balance of ${userId} is ${number(made.newBalance)}.${moved}`, {
    action: { label: "Undo", run: () => onDone({ undo: made }) },
  });
}

export function AdjustDialog({ kind, userId, balance: known, onClose, onDone }) {
  const adding = kind === "add";
  const [amount, setAmount] = useState("");
  const [reason, setReason] = useState("");
  const [step, setStep] = useState("form");
  const [balance, setBalance] = useState(known);
  const [tried, setTried] = useState(false);
  const write = useWrite();
  const size = /^[0-9]{1,7}$/.test(amount) ? Number(amount) : NaN;
  const after = balance + (adding ? size : -size);
  const wrong = {
    amount: !(size >= 1 && size <= MOST) ? `A whole number from 1 to ${number(MOST)}.`
      : after < 0 ? `Only ${credits(balance)} can be taken off.` : "",
    reason: reason.trim() ? "" : "Say why; the ledger keeps it for ever.",
  };
  const review = async (event) => {
    event.preventDefault();
    setTried(true);
    if (wrong.amount || wrong.reason) return;
    try {
      setBalance((await get(`/admin/users/${encodeURIComponent(userId)}`)).balance);
    } catch (failure) {
      if (failure.code === "session_ended") return; // One reviews it again after the log-in.
    }
    setStep("confirm");
  };
  const confirm = async () => {
    const body = { userId, amount: size, reason: reason.trim() };
    const made = await write.send(adding ? "/admin/add-credits" : "/admin/deduct-credits", body);
    if (!made) return;
    sayDone(userId, { ...made, amount: size }, after, adding ? "added" : "taken off", onDone);
    onDone({});
  };
  const title = adding ? "Add credits" : "Take credits off";
  if (step === "confirm") {
    return html`<${Dialog} title=${adding ? "Add these credits?" : "Take these credits off?"} onClose=${onClose} busy=${write.busy}>
      <${Preview} userId=${userId} balance=${balance} size=${adding ? size : -size} reason=${reason.trim()} />
      ${after < 0 && html`<p class="error" role="alert">The balance fell to ${number(balance)} meanwhile; this can not be taken off any more.</p>`}
      <${WriteTrouble} failure=${write.failure} />
      <footer><button disabled=${write.busy} onClick=${() => setStep("form")}>Back</button>
        <button class=${adding ? "primary" : "danger"} data-first disabled=${write.busy || after < 0} onClick=${confirm}>
          ${write.busy ? "Sending…" : write.failure ? "Send again" : adding ? `Add ${credits(size)}` : `Take ${credits(size)} off`}</button></footer>
    <//>`;
  }
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <form class="stack" onSubmit=${review} novalidate>
      <p class="quiet">For <span class="id">${userId}</span>, who can spend ${credits(balance)}.</p>
      <${Field} label="Credits" error=${tried && wrong.amount} hint=${Number.isNaN(size) || after < 0 ? "" : `New balance: ${number(after)}`}>
        ${(given) => html`<input ...${given} inputmode="numeric" autocomplete="off" data-first value=${amount} onInput=${(event) => setAmount(event.target.value.trim())} />`}<//>
      <${Field} label="Reason" error=${tried && wrong.reason}>
        ${(given) => html`<input ...${given} maxlength="200" autocomplete="off" value=${reason} onInput=${(event) => setReason(event.target.value)} />`}<//>
      <div class="chips" role="group" aria-label="Common reasons">${REASONS[kind].map((text) => html`
        <button type="button" class="chip" key=${text} onClick=${() => setReason(text)}>${text}</button>`)}</div>
      <footer><button type="button" onClick=${onClose}>Cancel</button><button class="primary">Review</button></footer>
    </form><//>`;
}

export function UndoDialog({ userId, entry, balance, onClose, onDone }) {
  const [reason, setReason] = useState(`Undo of entry ${entry.seq}`);
  const write = useWrite();
  const after = balance - entry.amount;
  const confirm = async (event) => {
    event.preventDefault();
    const path = `/admin/users/${encodeURIComponent(userId)}/transactions/${entry.seq}/undo`;
    const made = await write.send(path, { reason: reason.trim() || `Undo of entry ${entry.seq}` });
    if (!made) return;
    say(`Entry ${entry.seq} is taken back. The balance of ${userId} is ${number(made.newBalance)}.`);
    onDone({});
  };
  return html`<${Dialog} title=${`Take back entry ${entry.seq}?`} onClose=${onClose} busy=${write.busy}>
    <form class="stack" onSubmit=${confirm}>
      <p>Entries are never changed or removed: a new one is made that reverses it and names it.</p>
      <${Preview} userId=${userId} balance=${balance} size=${-entry.amount} />
      ${after < 0 && html`<p class="error">Some of it is spent already: the balance can not go below 0, so this will be refused.</p>`}
      <${Field} label="Reason">${(given) => html`<input ...${given} maxlength="200" autocomplete="off" value=${reason} onInput=${(event) => setReason(event.target.value)} />`}<//>
      <${WriteTrouble} failure=${write.failure} />
      <footer><button type="button" disabled=${write.busy} onClick=${onClose}>Cancel</button>
        <button class="primary" disabled=${write.busy}>${write.busy ? "Sending…" : write.failure ? "Send again" : "Take it back"}</button></footer>
    </form><//>`;
}

function Preview({ userId, balance, size, reason }) {
  return html`<dl class="preview"><div><dt>User</dt><dd class="id">${userId}</dd></div>
    <div><dt>Balance</dt><dd class="num">${number(balance)}</dd></div>
    <div><dt>Change</dt><dd class=${`num ${size > 0 ? "up" : "down"}`}>${change(size)}</dd></div>
    <div class="total"><dt>New balance</dt><dd class="num">${number(balance + size)}</dd></div>
    ${reason && html`<div><dt>Reason</dt><dd>${reason}</dd></div>`}</dl>`;
}
