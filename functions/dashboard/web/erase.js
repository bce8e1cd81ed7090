// Erasing what is kept of a person: asked for twice, told of, and the books stay.
import { html, useState } from "./html.js";
import { call } from "./api.js";
import { number, Time } from "./format.js";
import { Dialog, Field, say, WriteTrouble } from "./ui.js";

const MOST_CALLS = 100;

// The calls that it takes; what they erased is added up.
async function eraseAll(userId, reason) {
  const sum = { origins: 0, auditRecords: 0, others: [], complete: false };
  for (let calls = 0; calls < MOST_CALLS && !sum.complete; calls += 1) {
    const body = { reason, confirm: userId };
    const made = await call("POST", `/admin/users/${encodeURIComponent(userId)}/erase`, { body });
    sum.origins += made.origins;
    sum.auditRecords += made.auditRecords;
    sum.complete = made.complete;
    sum.others.push(...["device", "profile", "subscription"].filter((kind) => made[kind]));
  }
  return sum;
}

export function PersonalData({ user, mayErase, onErase }) {
  if (!mayErase && !user.erasedAt) return null;
  return html`<section aria-labelledby="person"><h2 id="person">Personal data</h2>
    ${user.erasedAt ? html`<p>Erased <${Time} at=${user.erasedAt} style="full" />. What was done since may name where it came from.</p>`
      : html`<p class="quiet">Addresses, browsers and apps, the device's sign-in, the profile.</p>`}
    ${mayErase && html`<p><button class="danger small" onClick=${onErase}>Erase personal data</button></p>`}</section>`;
}

export function EraseDialog({ user, onClose, onDone }) {
  const [typed, setTyped] = useState("");
  const [reason, setReason] = useState("");
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState(null);
  const wrong = {
    typed: typed.trim() === user.userId ? "" : "Type the user id exactly as it stands above.",
    reason: reason.trim() ? "" : "Say why; the audit keeps it.",
  };
  const confirm = async (event) => {
    event.preventDefault();
    setTried(true);
    if (wrong.typed || wrong.reason) return;
    setBusy(true);
    setFailure(null);
    try {
      const sum = await eraseAll(user.userId, reason.trim());
      const counts = [`origins ${number(sum.origins)}`, `audit records ${number(sum.auditRecords)}`];
      const more = sum.complete ? "" : " There is more: do it again.";
      say(`Erased: ${[...counts, ...sum.others].join(", ")}.${more}`);
      onDone({});
    } catch (error) {
      if (error.code !== "session_ended") setFailure(error);
    } finally {
      setBusy(false);
    }
  };
  const rest = user.balance + (user.heldCredits ?? 0);
  return html`<${Dialog} title="Erase personal data?" onClose=${onClose} busy=${busy}>
    <form class="stack" onSubmit=${confirm} novalidate>
      <p>Nothing brings it back: addresses, browsers and apps of <span class="id">${user.userId}</span>, the device's sign-in, the profile, and a subscription's e-mail and name. Every entry, amount and reason stays.</p>
      ${rest > 0 && html`<p class="quiet">The account still has ${number(rest)} ${rest === 1 ? "credit" : "credits"}; erasing does not touch them.</p>`}
      <${Field} label="User id, once more" error=${tried && wrong.typed}>
        ${(given) => html`<input ...${given} data-first autocomplete="off" autocapitalize="off" spellcheck="false" value=${typed} onInput=${(event) => setTyped(event.target.value)} />`}<//>
      <${Field} label="Reason" hint="Name no person here." error=${tried && wrong.reason}>
        ${(given) => html`<input ...${given} maxlength="200" autocomplete="off" value=${reason} onInput=${(event) => setReason(event.target.value)} />`}<//>
      <${WriteTrouble} failure=${failure} />
      <footer><button type="button" disabled=${busy} onClick=${onClose}>Cancel</button>
        <button class="danger" disabled=${busy}>${busy ? "Erasing…" : failure ? "Send again" : "Erase for good"}</button></footer>
    </form><//>`;
}
