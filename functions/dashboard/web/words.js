// Entries of the ledger, actors and refusals, in words that one can say on the phone.
import { credits } from "./format.js";

export const TYPES = {
  user_creation: "Account opened",
  add_webhook: "Bought",
  api_add: "Added by API",
  admin_add: "Added by hand",
  admin_deduct: "Taken by hand",
  spend: "Set aside or spent",
  capture: "Delivered",
  refund: "Given back",
  write_off: "Not charged",
};

// What happened, as one sentence without a full stop.
export function happened(entry) {
  const size = credits(Math.abs(entry.amount));
  const back = entry.reverses ? `, which takes back entry ${entry.reverses}` : "";
  switch (entry.type) {
    case "user_creation":
      return entry.amount ? `Account opened with ${size}` : "Account opened";
    case "add_webhook":
      return `Bought ${size}`;
    case "api_add":
      return `${size} added through the API`;
    case "admin_add":
      return `${size} added by hand${back}`;
    case "admin_deduct":
      return `${size} taken off by hand${back}`;
    case "spend":
      if (entry.reverses) return `${size} charged again, as the job was delivered after all`;
      return entry.heldChange > 0 ? `${size} set aside for a token` : `${size} spent on a token`;
    case "capture":
      return `Delivered: ${credits(Math.abs(entry.heldChange))} set aside before is spent`;
    case "refund":
      return entry.heldChange < 0 ? `${size} set aside before is given back` : `${size} given back`;
    case "write_off":
      return "Delivered after the credit was given back; not charged again";
    default:
      return `${entry.type.replaceAll("_", " ")}${entry.amount ? `: ${size}` : ""}`;
  }
}

export function why(entry) {
  const reason = entry.reason || "";
  return reason === entry.type ? "" : reason;
}

// Who it was; the rest of an actor's name is kept, as it says which one.
export function who(actor = "") {
  const [kind, ...rest] = actor.split(":");
  const name = rest.join(":");
  switch (kind) {
    case "user": return "the user";
    case "device": return "the app";
    case "anonymous": return "somebody without a key";
    case "webhook": return name === "payment" || !name ? "the payment provider" : name;
    case "api-key": return name === "engine" ? "the main API key" : `API key ${name}`;
    case "admin": return name === "secret" ? "the admin secret" : `admin ${name}`;
    case "operator": return name;
    case "system": return `the system (${name})`;
    default: return actor || "unknown";
  }
}

const ACTIONS = {
  vend: "asked for a token", login: "logged in", logout: "logged out", logout_everywhere: "logged out everywhere",
  admin_add: "added credits", admin_deduct: "took credits off", erase_personal_data: "erased personal data", key_generate: "made an API key",
  key_revoke: "revoked an API key",
};

export const did = (action) => ACTIONS[action] || action.replaceAll("_", " ");

export const tone = (entry) => (entry.amount > 0 ? "up" : entry.amount < 0 ? "down" : "flat");

// What a later entry made of this one, as a badge: its text and tone.
export function outcome(entry, later) {
  if (!later) return null;
  if (later.type === "capture") return ["delivered", "good"];
  if (later.type === "refund") return ["given back", ""];
  return ["taken back", "warn"];
}
