// Entries of the ledgers, actors and audited actions in words that can be read out on the phone.
import { credits, dollars, number } from "./format.js";

export const TYPES = {
  user_creation: "Account created",
  add_webhook: "Bought",
  api_add: "Added through the API",
  purchase: "Pack bought",
  clawback: "Taken back",
  clawback_return: "Given back",
  admin_add: "Added by an operator",
  admin_deduct: "Deducted by an operator",
  spend: "Held or spent",
  capture: "Charged",
  refund: "Released or returned",
  write_off: "Written off",
};

// What an entry is about: `3 × summary`; empty for a token of the built-in product.
export function sold({ product, units }) {
  const code = (product || "").split("@")[0];
  return code && units ? `${number(units)} × ${code}` : code;
}

// What an entry charged for good.
export const charged = (entry) => (entry.owedChange || 0) - entry.amount - entry.heldChange;

// What became of the account's debt, as the end of a sentence.
function owed({ owedChange = 0 }) {
  if (owedChange > 0) return `; owed ${number(owedChange)}, paid by the next grant`;
  return owedChange < 0 ? `; ${number(-owedChange)} of them pay what was owed` : "";
}

// A part of a hold: something of it was charged, and the rest stays held or is back.
function captured(entry) {
  const size = charged(entry);
  const what = sold(entry) ? ` for ${sold(entry)}` : "";
  if (entry.heldLeft !== null && entry.heldLeft !== undefined) return `Charged ${number(size)}${what}, ${number(entry.heldLeft)} still held${owed(entry)}`;
  const back = entry.amount > 0 ? `, ${number(entry.amount)} back` : "";
  if (!size) return `Nothing charged${back}`;
  if (!entry.product && !back) return `Captured: ${credits(size)} spent on a delivered job${owed(entry)}`;
  return `Charged ${number(size)}${what}${back}${owed(entry)}`;
}

// Credits that are held, held in addition, charged after the end of a hold, or spent at once.
function spent(entry, size) {
  const what = sold(entry) || "a token";
  if (!entry.reverses) return entry.heldChange > 0 ? (entry.product ? `Held ${number(entry.heldChange)} for ${what}` : `${size} held for a token`) : `${size} spent on ${what}`;
  if (entry.heldChange > 0) return `${size} more held${sold(entry) ? ` for ${sold(entry)}` : ""}, ${number(entry.heldLeft)} in all`;
  if (isOfBackend(entry) || entry.product) return `${credits(charged(entry))} charged after the hold had ended${owed(entry)}`;
  return `${size} charged again: the job was delivered after the hold was released`;
}

// Whether the entry is about a hold of a back end, by the mark in its subject.
const isOfBackend = ({ subject = "" }) => subject[22] === ".";

// What happened, as one sentence without a full stop.
export function happened(entry) {
  const size = credits(Math.abs(entry.amount - Math.min(0, entry.owedChange || 0)));
  const undoes = entry.reverses ? `, undoing entry ${entry.reverses}` : "";
  switch (entry.type) {
    case "user_creation":
      return entry.amount ? `Account created with ${size}` : "Account created";
    case "add_webhook":
      return `Bought ${size}${owed(entry)}`;
    case "api_add":
      return `${size} added through the API${owed(entry)}`;
    case "purchase":
      return `Bought a pack of ${size}${owed(entry)}`;
    case "clawback":
      return `Taken back after a refund or dispute: ${credits(Math.abs(charged(entry)))}${owed(entry)}`;
    case "clawback_return":
      return `Given back, because a refund failed or a dispute was won: ${size}${owed(entry)}`;
    case "admin_add":
      return `${size} added by an operator${undoes || owed(entry)}`;
    case "admin_deduct":
      return `${size} deducted by an operator${undoes}${entry.owedChange > 0 ? `; ${number(entry.owedChange)} is owed again` : ""}`;
    case "spend":
      return spent(entry, size);
    case "capture":
      return captured(entry);
    case "refund":
      return entry.heldChange < 0 ? `Released: ${size} returned from the hold` : `${size} returned`;
    case "write_off":
      return "Written off: the job was delivered after the hold was released";
    default:
      return `${sentence(entry.type)}${entry.amount ? `: ${size}` : ""}`;
  }
}

const BEYOND = /^(\d+) micro-dollars beyond what there was$/;

// What happened to a subscription, amounts in micro-dollars; exact.
export function moved(entry) {
  const money = (micros) => dollars(Math.abs(micros) / 1e6);
  const size = money(entry.amount);
  const [from, to] = String(entry.subject || "").split("->");
  switch (entry.type) {
    case "plan_grant":
      return entry.amount < 0 ? `Allowance of the plan renewed: ${size} deducted` : `Allowance of the plan granted: ${size}`;
    case "plan_change":
      return `Plan changed${to ? ` from ${from} to ${to}` : ""}${entry.amount ? `: ${size} granted` : ""}`;
    case "top_up":
      return `Bought ${size}`;
    case "clawback":
      return `Taken back after a refund or dispute: ${size}`;
    case "clawback_return":
      return `Given back, because a refund failed or a dispute was won: ${size}`;
    case "admin_add":
      return `${size} added by an operator`;
    case "admin_deduct":
      return `${size} deducted by an operator`;
    case "key_fund":
      return `${money(entry.heldChange)} held for a key`;
    case "key_return":
      return `Released: ${money(entry.heldChange)} returned from a key`;
    case "usage":
      return `${money(entry.amount + entry.heldChange)} used with a key`;
    case "usage_write_off": {
      const beyond = BEYOND.exec(entry.reason || "");
      return beyond ? `Written off: ${money(Number(beyond[1]))} used beyond the balance` : "Written off: used beyond the balance";
    }
    default:
      return `${sentence(entry.type)}${entry.amount ? `: ${size}` : ""}`;
  }
}

// The reason, unless the sentence says it already.
export function why(entry) {
  const reason = entry.reason || "";
  return reason === entry.type || BEYOND.test(reason) ? "" : reason;
}

// Who it was. The rest of an actor's name is kept where it says which one.
export function who(actor = "") {
  const [kind, ...rest] = actor.split(":");
  const name = rest.join(":");
  switch (kind) {
    case "user": return "the user";
    case "device": return "the app";
    case "anonymous": return "a caller without a credential";
    case "webhook": return name === "payment" || !name ? "the payment provider" : name;
    case "api-key": return name === "engine" ? "the main API key" : `API key ${name}`;
    case "admin": return name === "secret" ? "the admin secret" : `admin ${name}`;
    case "operator": return name;
    case "system": return `the system (${name})`;
    default: return actor || "unknown";
  }
}

// The actor that a typed name means: a name alone is an operator's.
export const actorOf = (typed) => (!typed || typed.includes(":") ? typed : `operator:${typed.toLowerCase()}`);

export const ACTIONS = {
  vend: "asked for a token", login: "logged in", logout: "logged out", logout_everywhere: "logged out everywhere",
  admin_add: "added credits", admin_deduct: "deducted credits", erase_personal_data: "erased personal data", key_generate: "created an API key",
  key_revoke: "revoked an API key", subscription_block: "blocked the subscription", subscription_unblock: "unblocked the subscription",
  subscription_rotate: "rotated the key", operator_create: "created the operator", operator_password: "set a new password",
  operator_role: "changed the role", operator_disable: "disabled the operator", operator_enable: "enabled the operator",
  operator_log_out: "ended all sessions", webhook_replay: "sent a notice again", hold: "held credits", hold_end: "ended a hold",
  credit_request_approved: "approved a request for credits", credit_request_rejected: "rejected a request for credits",
  payment_assign: "assigned a payment", payment_refund: "recorded a refund", payment_ignore: "closed a payment", app_policy_change: "changed the policy for apps",
  product_save: "saved a version of the product",
};

export const did = (action) => ACTIONS[action] || action.replaceAll("_", " ");

export const tone = (entry) => (entry.amount > 0 ? "up" : entry.amount < 0 ? "down" : "flat");

// What a later entry did to this one, as a badge: its text and tone.
export function outcome(later) {
  if (!later) return null;
  const isPart = later.heldLeft !== null && later.heldLeft !== undefined;
  if (later.type === "capture") return isPart ? ["partly charged", "good"] : ["captured", "good"];
  if (later.type === "refund") return ["released", ""];
  if (later.type === "spend") return isPart ? ["extended", ""] : ["charged later", "warn"];
  return ["undone", "warn"];
}

function sentence(type) {
  const text = type.replaceAll("_", " ");
  return text[0].toUpperCase() + text.slice(1);
}
