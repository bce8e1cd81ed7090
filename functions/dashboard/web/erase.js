// Erasing a person's data: confirmed by typing the id; the ledger stays.
import { html, useState } from "./html.js";
import { Buttons, Dialog } from "./dialog.js";
import { number, Time } from "./format.js";
import { Field, say } from "./ui.js";
import { Refused, Unknown, useOutcome, useWrite } from "./writes.js";

const MOST_CALLS = 100;

// One call erases a part; repeats until everything is erased and adds up what was. Null where a call failed.
async function eraseAll(write, user, reason) {
  const sum = { origins: 0, auditRecords: 0, jobs: 0, others: [], complete: false };
  const path = `/admin/users/${encodeURIComponent(user.userId)}/erase`;
  const about = { kind: "erased", user: user.userId, before: user.erasedAt, once: true, text: `Erase personal data · ${user.userId}`, then: "Erase again to be sure that nothing is left." };
  for (let calls = 0; calls < MOST_CALLS && !sum.complete; calls += 1) {
    const made = await write.send(path, { reason, confirm: user.userId }, about);
    if (!made) return null;
    sum.origins += made.origins;
    sum.auditRecords += made.auditRecords;
    sum.jobs += made.jobs;
    sum.complete = made.complete;
    sum.others.push(...["device", "profile", "subscription"].filter((kind) => made[kind]));
  }
  return sum;
}

export function PersonalData({ user, mayErase, onErase }) {
  if (!mayErase && !user.erasedAt) return null;
  return html`<section aria-labelledby="person"><h2 id="person">Personal data</h2>
    ${user.erasedAt ? html`<p>Erased <${Time} at=${user.erasedAt} style="full" />. Entries made since then may have an address and a browser.</p>`
      : html`<p class="quiet">Addresses, browsers and apps, the device's sign-in, the profile, texts of jobs.</p>`}
    ${mayErase && html`<p><button class="danger small" onClick=${onErase}>Erase personal data</button></p>`}</section>`;
}

export function EraseDialog({ user, onClose, onDone }) {
  const [typed, setTyped] = useState("");
  const [reason, setReason] = useState("");
  const [tried, setTried] = useState(false);
  const act = `erase:${user.userId}`;
  const write = useWrite(act);
  useOutcome(act, (done) => done && onDone({}));
  const wrong = {
    typed: typed.trim() === user.userId ? "" : "Type the user id exactly as shown above.",
    reason: reason.trim() ? "" : "A reason is required. The audit keeps it.",
  };
  const confirm = async (event) => {
    event.preventDefault();
    setTried(true);
    if (wrong.typed || wrong.reason || write.busy) return;
    const sum = await eraseAll(write, user, reason.trim());
    if (!sum) return;
    const counts = [`origins ${number(sum.origins)}`, `audit records ${number(sum.auditRecords)}`, `job records ${number(sum.jobs)}`];
    const more = sum.complete ? "" : " Some data is left: erase again.";
    say(`Erased: ${[...counts, ...sum.others].join(", ")}.${more}`);
    onDone({});
  };
  const title = "Erase personal data?";
  if (write.pending) {
    return html`<${Dialog} title=${title} step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  const rest = user.balance + (user.heldCredits ?? 0);
  return html`<${Dialog} title=${title} step="form" onClose=${onClose} busy=${write.busy}>
    <form class="stack" onSubmit=${confirm} novalidate>
      <p>This cannot be undone. It erases the addresses, browsers and apps of <span class="id">${user.userId}</span>, the device's sign-in, the profile, and the subscription's e-mail address and name. Every entry, amount and reason stays.</p>
      ${rest > 0 && html`<p class="quiet">The account still has ${number(rest)} ${rest === 1 ? "credit" : "credits"}; erasing does not change them.</p>`}
      <${Field} label="User id, once more" error=${tried && wrong.typed}>
        ${(given) => html`<input ...${given} data-first autocomplete="off" autocapitalize="off" spellcheck="false" value=${typed} onInput=${(event) => setTyped(event.target.value)} />`}<//>
      <${Field} label="Reason" hint="Do not name a person here." error=${tried && wrong.reason}>
        ${(given) => html`<input ...${given} dir="auto" maxlength="200" autocomplete="off" value=${reason} onInput=${(event) => setReason(event.target.value)} />`}<//>
      <${Refused} failure=${write.failure} />
      <${Buttons} back="Cancel" onBack=${onClose} busy=${write.busy} doing="Erasing…" danger=${true} act=${write.failure?.definite ? "" : write.failure ? "Try again" : "Erase for good"} />
    </form><//>`;
}
