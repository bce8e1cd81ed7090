// A decision of an operator: one dialog that says what the write does, asks for what is missing, sends it, and keeps
// its idempotency key until its outcome is known.
import { html, useState } from "./html.js";
import { Buttons, Dialog } from "./dialog.js";
import { Field } from "./ui.js";
import { Refused, Unknown, useOutcome, useWrite } from "./writes.js";

// `act` names the write for this subject; `make()` answers `{ path, body, about, method }`, or null where something is
// wrong, which the dialog then shows as `tried`. `onMade(answer)` says what was done. `done()` closes the dialog.
// `children(tried)` is the form; where `blocked`, the decision cannot be made.
export function Decision({ title, act, verb, doing = "Sending…", back = "Cancel", danger, wide, blocked, first, make, onMade, onClose, onDone, children }) {
  const [tried, setTried] = useState(false);
  const write = useWrite(act);
  useOutcome(act, (done) => (done ? onDone() : write.forget()));
  const confirm = async (event) => {
    event.preventDefault();
    setTried(true);
    const wanted = write.busy || blocked ? null : make();
    if (!wanted) return;
    const made = await write.send(wanted.path, wanted.body, { once: true, ...wanted.about }, wanted.method);
    if (!made) return;
    onMade(made);
    onDone(made);
  };
  if (write.pending) {
    return html`<${Dialog} title=${title} step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  const stopped = blocked || write.failure?.definite;
  return html`<${Dialog} title=${title} step="form" cls=${wide ? "wide" : ""} onClose=${onClose} busy=${write.busy}>
    <form class="stack" onSubmit=${confirm} onInput=${write.failure?.definite ? write.forget : undefined} novalidate>
      ${children(tried)}
      <${Refused} failure=${write.failure} />
      <${Buttons} back=${back} onBack=${onClose} busy=${write.busy} doing=${doing} danger=${danger} first=${first} act=${stopped ? "" : write.failure ? "Try again" : verb} />
    </form><//>`;
}

// A reason that is kept for good, with usual ones to choose from.
export function Reason({ label = "Reason", hint, value, set, wrong, first, usual = [], most = 200 }) {
  return html`<${Field} label=${label} hint=${hint} error=${wrong}>
      ${(given) => html`<input ...${given} dir="auto" data-first=${first || undefined} maxlength=${most} autocomplete="off" value=${value} onInput=${(event) => set(event.target.value)} />`}<//>
    ${usual.length > 0 && html`<div class="chips" role="group" aria-label="Common reasons">${usual.map((text) => html`
      <button type="button" class="chip" key=${text} onClick=${() => set(text)}>${text}</button>`)}</div>`}`;
}

export const noReason = (reason) => (reason.trim() ? "" : "A reason is required. It is kept.");
