// How the outcome of a write is looked up, by what its `about` says, without sending it again.
//
// `about` has `kind` and the members that this kind's look-up takes, `text` (what the write does), `once` where the
// gateway counts a repeat under the same key once, and `then`, a sentence to add where the write took effect.
import { get } from "./api.js";

const LOOKED_AT = 100;
const SKEW_MS = 5000; // How far this device's clock may be ahead.

// Each answers whether the write took effect. Raises Failure.
const LOOKUPS = {
  // An entry newer than `after` of this type, amount and reason, by this operator; or one that reverses `reverses`.
  entry: async ({ user, ...wanted }) => {
    const { transactions } = await get("/admin/transactions", { user, limit: LOOKED_AT });
    return transactions.some((entry) => isOf(entry, wanted));
  },
  subscriptionEntry: async ({ user, ...wanted }) => {
    const { transactions } = await get(`/admin/subscriptions/${encodeURIComponent(user)}`);
    return transactions.some((entry) => isOf(entry, wanted));
  },
  subscription: async ({ user, member, value, not }) => {
    const found = await get(`/admin/subscriptions/${encodeURIComponent(user)}`);
    return not === undefined ? found[member] === value : found[member] !== not;
  },
  key: async ({ description, known }) => {
    const { keys } = await get("/admin/keys");
    return keys.some((key) => key.description === description && !known.includes(key.id));
  },
  revoked: async ({ id }) => {
    const { keys } = await get("/admin/keys");
    return keys.some((key) => key.id === id && key.revokedAt);
  },
  product: async ({ code, version, members }) => {
    const { versions } = await get(`/admin/products/${encodeURIComponent(code)}`).catch(noVersions);
    const made = versions.find((one) => one.version === version);
    return Boolean(made) && Object.entries(members).every(([name, value]) => made[name] === value);
  },
  // A payment whose members have these values.
  payment: async ({ path, members }) => {
    const { payment } = await get(path);
    return Object.entries(members).every(([name, value]) => payment[name] === value);
  },
  operator: async ({ name, members }) => {
    const { operators } = await get("/admin/operators");
    const found = operators.find((one) => one.name === name);
    return Boolean(found) && Object.entries(members).every(([member, value]) => found[member] === value);
  },
  // What shows in the audit alone: a record of this action about the subject with this reason, since `after`.
  audited: async ({ subject, action, reason, after }) => {
    const { records } = await get("/admin/audit", { user: subject, limit: LOOKED_AT });
    return records.some((record) => record.action === action && record.reason === reason && Date.parse(record.timestamp) >= Date.parse(after) - SKEW_MS);
  },
  policy: async ({ version, members }) => {
    const { history } = await get("/admin/app-policy");
    const made = history.find((one) => one.version === version);
    return Boolean(made) && Object.entries(members).every(([name, value]) => made.policy[name] === value);
  },
  // A round of the reconciler: its lists were read since.
  round: async ({ before }) => {
    const { passes } = await get("/admin/payments/findings");
    return JSON.stringify(passes) !== before;
  },
  request: async ({ user, id, status }) => {
    const { requests } = await get("/admin/credit-requests", { user, limit: LOOKED_AT });
    return requests.some((one) => one.id === id && one.status === status);
  },
  hold: async ({ user, jti }) => {
    const { holds } = await get("/admin/holds", { user, state: "open" });
    return holds.every((hold) => hold.jti !== jti);
  },
  erased: async ({ user, before }) => {
    const { erasedAt } = await get(`/admin/users/${encodeURIComponent(user)}`);
    return Boolean(erasedAt) && erasedAt !== before;
  },
};

// A product that is not there has no version.
function noVersions(failure) {
  if (failure.status !== 404) throw failure;
  return { versions: [] };
}

function isOf(entry, { after, type, amount, reason, actor, reverses }) {
  if (reverses !== undefined) return entry.reverses === reverses;
  return entry.seq > after && entry.type === type && entry.reason === reason && entry.actor === actor
    && (amount === undefined || entry.amount - (entry.owedChange || 0) === amount);
}

export const isDone = ({ about }) => LOOKUPS[about.kind](about);

// What the write does, as a noun within a sentence.
export const text = ({ about }) => about.text;
