// The holds of a user: what is reserved, for what and until when; ending one gives back what it still reserves.
import { html, useState } from "./html.js";
import { get } from "./api.js";
import { ListCsv, named } from "./csv.js";
import { Buttons, Dialog } from "./dialog.js";
import { Ago, clock, credits, number, Time } from "./format.js";
import { href } from "./router.js";
import { Badge, Field, say } from "./ui.js";
import { sold, who } from "./words.js";
import { Refused, Unknown, useOutcome, useWrite } from "./writes.js";

const OUTCOMES = {
  open: ["open", "warn"], captured: ["captured", "good"], released: ["released", ""], expired: ["expired", ""],
  spent: ["spent", ""], written_off: ["written off", "warn"],
};

// Whether the hold is a back end's; others are those of tokens.
const isOfBackend = (hold) => Boolean(hold.caller);
const nameOf = (hold) => (isOfBackend(hold) ? hold.holdId : "the token");
const what = (hold) => (hold.product && (hold.product.code !== "transcript" || isOfBackend(hold)) ? ` for ${sold({ product: hold.product.code, units: hold.units })}` : "");

// What is said of a hold: the parts that are still reserved, charged and back, where they differ from the whole.
function parts(hold) {
  if (hold.state === "open") {
    const charged = hold.committed ? `, ${number(hold.committed)} charged` : "";
    return hold.reserved !== hold.amount || charged ? `${number(hold.reserved)} still held${charged}` : "";
  }
  return hold.committed && hold.released ? `${number(hold.committed)} charged, ${number(hold.released)} back` : "";
}

function job(hold) {
  if (isOfBackend(hold)) return html`Hold <code>${hold.holdId}</code> of ${who(hold.caller)}`;
  if (hold.jobId) return html`Job <code>${hold.jobId}</code>`;
  if (hold.used) return "Used; no job was started";
  return ["open", "released"].includes(hold.state) ? "Token not used" : "No job is named";
}

export function Holds({ user, holds, none, mayEnd = false, onEnd }) {
  if (!holds.length) return html`<p class="quiet">${none}</p>`;
  const entry = (seq) => html`<a href=${href("users", user, { entry: seq })}>entry\u00a0${seq}</a>`;
  return html`<ul class="holds">${holds.map((hold) => {
    const [label, mood] = OUTCOMES[hold.state] || [hold.state, ""];
    const isOpen = hold.state === "open";
    return html`<li key=${hold.jti}><div class="hold"><p><b>${credits(hold.amount)}</b>${what(hold)} <${Badge} tone=${mood}>${label}<//>${parts(hold) && html` <span class="quiet">${parts(hold)}</span>`}</p>
        ${isOpen && mayEnd && !hold.used && html`<button class="small" aria-label=${`End ${nameOf(hold)}, entry ${hold.seq}`} onClick=${() => onEnd(hold)}>End</button>`}</div>
      <p class="quiet small">${job(hold)} · ${entry(hold.seq)}${hold.resolvedSeq ? html`, ended by ${entry(hold.resolvedSeq)}` : ""} · <${Ago} at=${hold.heldSince} />${isOpen && hold.expiresAt && html`, ends <${Time} at=${hold.expiresAt} />`}</p></li>`;
  })}</ul>`;
}

const CSV = [...named("jti holdId caller state amount reserved committed released"), ["product", (hold) => hold.product?.code], ...named("units used jobId heldSince expiresAt seq resolvedSeq")];

// All holds of a user as a file, the open ones too.
export const HoldsCsv = ({ user }) => html`<${ListCsv} name=${`holds-${user}`} columns=${CSV} read=${() => get("/admin/holds", { user, state: "any" }).then((answer) => ({ rows: answer.holds }))} />`;

export function EndDialog({ user, hold, onClose, onDone }) {
  const [reason, setReason] = useState("");
  const [tried, setTried] = useState(false);
  const act = `end:${hold.jti}`;
  const write = useWrite(act);
  useOutcome(act, (done) => (done ? onDone({}) : write.forget()));
  const wrong = reason.trim() ? "" : "A reason is required. The ledger keeps it permanently.";
  const confirm = async (event) => {
    event.preventDefault();
    setTried(true);
    if (wrong || write.busy) return;
    const body = { userId: user, hold: hold.jti, reason: reason.trim() };
    const about = { kind: "hold", user, jti: hold.jti, once: true, text: `End the hold of entry ${hold.seq} · ${user}` };
    const made = await write.send("/admin/holds/end", body, about);
    if (!made) return;
    say(made.replayed ? `The hold of entry ${hold.seq} had ended before. Nothing was changed.` : `The hold of entry ${hold.seq} is ended: ${credits(made.hold.released)} back.`);
    onDone({});
  };
  const title = "End this hold?";
  if (write.pending) {
    return html`<${Dialog} title=${title} step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  return html`<${Dialog} title=${title} step="form" onClose=${onClose} busy=${write.busy}>
    <form class="stack" onSubmit=${confirm} novalidate>
      <p>${credits(hold.reserved)} ${hold.reserved === 1 ? "goes" : "go"} back to <span class="id">${user}</span>.${hold.committed ? ` The ${number(hold.committed)} that ${hold.committed === 1 ? "was" : "were"} charged stay charged.` : ""} ${isOfBackend(hold)
        ? html`<b>${who(hold.caller)}</b> can then commit nothing more under <code>${hold.holdId}</code>.` : "The token can then start no job."} This cannot be undone.</p>
      <p class="quiet">Left alone, it ends at ${clock(hold.expiresAt)}.</p>
      <${Field} label="Reason" error=${tried && wrong}>
        ${(given) => html`<input ...${given} dir="auto" data-first maxlength="200" autocomplete="off" value=${reason} onInput=${(event) => setReason(event.target.value)} />`}<//>
      <${Refused} failure=${write.failure} />
      <${Buttons} back="Keep it" onBack=${onClose} busy=${write.busy} doing="Ending…" danger=${true} act=${write.failure?.definite ? "" : write.failure ? "Try again" : "End the hold"} />
    </form><//>`;
}
