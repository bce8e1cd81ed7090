// A user's balance as it is now, and what an act makes of it.
import { html } from "./html.js";
import { get } from "./api.js";
import { change, number } from "./format.js";

// The account as it is now: `{ balance, owed, seq }`, with the seq of its newest entry.
export const readBalance = (userId, signal) => get(`/admin/users/${encodeURIComponent(userId)}`, {}, { signal })
  .then((user) => ({ balance: user.balance, owed: user.owed || 0, seq: user.transactions[0]?.seq || 0 }));

// `owed` is the change of what the account owes: what is paid of it does not come to the balance.
export function Preview({ userId, balance, size, owed = 0, reason }) {
  return html`<dl class="preview"><div><dt>User</dt><dd class="id">${userId}</dd></div>
    <div><dt>Balance</dt><dd class="num">${number(balance)}</dd></div>
    <div><dt>Change</dt><dd class=${`num ${size > 0 ? "up" : "down"}`}>${change(size)}</dd></div>
    ${owed !== 0 && html`<div><dt>Owed</dt><dd class="num">${change(owed)}</dd></div>`}
    <div class="total"><dt>New balance</dt><dd class="num">${number(balance + size + owed)}</dd></div>
    ${reason && html`<div><dt>Reason</dt><dd><bdi>${reason}</bdi></dd></div>`}</dl>`;
}
