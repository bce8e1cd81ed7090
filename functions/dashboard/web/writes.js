// Writes that keep their idempotency key until their outcome is known.
//
// A write is stored in the browser before it is sent, for the account and the act, so neither Escape, a reload nor
// another tab sends the same act under a new key. When the answer is lost, its outcome is looked up.
import { html, useEffect, useState } from "./html.js";
import { call, Failure, newKey } from "./api.js";
import { clock } from "./format.js";
import { isDone, text } from "./outcomes.js";
import { say } from "./ui.js";

const STORE = "pluct-writes";
const KEPT_MS = 24 * 3600 * 1000; // The gateway keeps a request's key for at least 24 hours.
const IN_FLIGHT_MS = 30000; // The gateway ends every call within 30 s.
const SETTLED_MS = 60000; // After this, a write that is not there was not carried out.
const LOOK_MS = 5000;

let inMemory = {};

function stored() {
  try {
    inMemory = JSON.parse(localStorage.getItem(STORE)) || {};
  } catch { /* A browser that stores nothing keeps the writes of this page. */ }
  const now = Date.now();
  return Object.fromEntries(Object.entries(inMemory).filter(([, write]) => now - write.sentAt < KEPT_MS));
}

function change(act, write) {
  const writes = { ...stored(), [act]: write };
  if (write === undefined) delete writes[act];
  inMemory = writes;
  try {
    localStorage.setItem(STORE, JSON.stringify(writes));
  } catch { /* As above. */ }
  dispatchEvent(new Event("writes"));
}

// The writes whose outcome is not known, also those that another tab sent and never heard of.
function unknown() {
  return Object.values(stored()).filter((write) => write.lost || Date.now() - write.sentAt > IN_FLIGHT_MS);
}

// The writes with an unknown outcome, for all accounts.
export function useUnknown() {
  const [found, set] = useState(unknown);
  useEffect(() => {
    const look = () => set(unknown());
    const timer = setInterval(look, LOOK_MS);
    addEventListener("writes", look);
    addEventListener("storage", look);
    return () => {
      clearInterval(timer);
      removeEventListener("writes", look);
      removeEventListener("storage", look);
    };
  }, []);
  return found;
}

// One act on one account, such as `add:user-1`. `pending` is its write with an unknown outcome, if there is one.
// `send` answers what the gateway said, or null where it failed; `about` says how to look the outcome up.
export function useWrite(act) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState(null);
  const pending = useUnknown().find((write) => write.act === act);
  const send = async (path, body, about, method = "POST") => {
    setBusy(true);
    setFailure(null);
    try {
      return await carriedOut({ act, method, path, body, about });
    } catch (error) {
      if (!error.loggedOut && error.unchanged) setFailure(error);
      return null;
    } finally {
      setBusy(false);
    }
  };
  return { busy, failure, pending, send, forget: () => setFailure(null) };
}

// Sends a write under the key that its act has, and keeps it where the outcome is not known. Raises Failure.
async function carriedOut({ act, method, path, body, about }) {
  const earlier = stored()[act];
  const said = JSON.stringify([method, path, body]);
  if (earlier && earlier.said !== said) {
    throw new Failure(0, { message: "Another change of this kind is being sent. Wait until its outcome is known." }, true);
  }
  const write = { act, method, path, body, said, about, key: earlier?.key || newKey(), sentAt: Date.now() };
  change(act, write);
  try {
    const made = await call(method, path, { body, key: write.key });
    change(act);
    return made;
  } catch (error) {
    change(act, error.unchanged ? undefined : { ...write, lost: true });
    throw error;
  }
}

// Sends an unknown write again, under its own key. A refusal does not say what became of the first one.
async function sendAgain(write) {
  change(write.act, { ...write, lost: true, sentAt: Date.now() });
  try {
    await call(write.method, write.path, { body: write.body, key: write.key });
    finished(write, true);
  } catch (error) {
    if (!error.loggedOut) say(error.message, { tone: "bad" });
  }
}

// Looks the outcome up. A write that is not there may still arrive until `SETTLED_MS` after it was sent.
async function look(write) {
  const lookedAt = Date.now();
  try {
    if (await isDone(write)) finished(write, true);
    else if (lookedAt - write.sentAt > SETTLED_MS) finished(write, false);
    else seen(write, { lookedAt, unread: false });
  } catch {
    seen(write, { lookedAt, unread: true });
  }
}

function seen(write, members) {
  if (stored()[write.act]?.key === write.key) change(write.act, { ...stored()[write.act], ...members });
}

function finished(write, done) {
  if (stored()[write.act]?.key !== write.key) return;
  change(write.act);
  say(done ? `${text(write)}: this took effect, once.${write.about.then ? ` ${write.about.then}` : ""}`
    : `${text(write)}: this did not take effect. Nothing was changed.`, { tone: done ? "good" : "bad" });
  dispatchEvent(new CustomEvent("outcome", { detail: { act: write.act, done } }));
  dispatchEvent(new Event("written"));
}

// What is known of an unknown write, with what can be done.
export function Unknown({ write }) {
  const [busy, setBusy] = useState(false);
  const doing = (what) => async () => {
    if (busy) return;
    setBusy(true);
    await what(write);
    setBusy(false);
  };
  const until = write.sentAt + SETTLED_MS;
  const looked = !write.lookedAt ? "It is being looked up."
    : write.unread ? `It could not be looked up at ${clock(write.lookedAt)}; it is tried again.`
      : `At ${clock(write.lookedAt)} it was not there. It can still arrive until ${clock(until)}.`;
  return html`<div class="trouble compact" role="alert">
    <p class="title">The outcome is not known yet: ${text(write)}</p>
    <p>Sent at ${clock(write.sentAt)}; the answer was lost. ${looked}${write.about.once ? " Sending it again uses the same idempotency key, so it is counted once." : ""}</p>
    <p class="buttons"><button type="button" aria-disabled=${busy ? "true" : undefined} onClick=${doing(look)}>Look it up</button>
      ${write.about.once && html`<button type="button" aria-disabled=${busy ? "true" : undefined} onClick=${doing(sendAgain)}>Send again</button>`}</p>
  </div>`;
}

// All unknown writes, on every page, each looked up until its outcome is known.
export function UnknownWrites() {
  const writes = useUnknown();
  const keys = writes.map((write) => write.key).join();
  useEffect(() => {
    if (!keys) return undefined;
    const all = () => unknown().forEach(look);
    all();
    const timer = setInterval(all, LOOK_MS);
    const events = ["online", "sessionback"];
    events.forEach((name) => addEventListener(name, all));
    return () => {
      clearInterval(timer);
      events.forEach((name) => removeEventListener(name, all));
    };
  }, [keys]);
  return writes.length ? html`<div class="unknown">${writes.map((write) => html`<${Unknown} key=${write.key} write=${write} />`)}</div>` : null;
}

// Calls `react(done)` when the outcome of `act` becomes known by looking it up or sending it again.
export function useOutcome(act, react) {
  useEffect(() => {
    const heard = (event) => { if (event.detail.act === act) react(event.detail.done); };
    addEventListener("outcome", heard);
    return () => removeEventListener("outcome", heard);
  });
}

// A refused write: what it did to the money, and whether sending it again makes sense.
export function Refused({ failure }) {
  if (!failure) return null;
  const said = failure.code === "insufficient_credits" && failure.details.balance !== undefined
    ? `The balance is ${failure.details.balance} now, which is less than the amount to deduct.` : failure.message;
  return html`<div class="trouble compact" role="alert">
    <p class="title">${said}</p><p>Nothing was changed. No credit moved.${failure.definite && failure.guidance ? ` ${failure.guidance}` : ""}</p>
    ${failure.requestId && html`<p class="quiet small">Request <code>${failure.requestId}</code></p>`}
  </div>`;
}
