// Calls of the admin API with the session's cookie, and what a failed call says about its outcome.
import { ROOT } from "./root.js";

const TIMEOUT_MS = 25000;
const UNKNOWN_OUTCOME = new Set(["outcome_unknown", "internal_error"]);
const SESSION = "/dashboard/session";

let csrf = "";
let operator = "";
let sessionLost = () => {};
let operatorChanged = () => {};
let running = 0;

// `lost` is called when a call is answered with 401; `changed` when another operator has logged in meanwhile.
export function onSession({ lost, changed }) {
  sessionLost = lost;
  operatorChanged = changed;
}

export function keepSession(session) {
  csrf = session.csrfToken;
  operator = session.name;
  return session;
}

// A failed call. `unchanged`: certainly nothing was changed. `definite`: sending it again gives the same refusal.
// `loggedOut`: the session has ended; the log-in opens over the page.
export class Failure extends Error {
  constructor(status, body, unchanged) {
    super(body.message || "The gateway did not answer.");
    this.status = status;
    this.code = body.code || "no_answer";
    this.details = body.details || {};
    this.guidance = body.guidance || "";
    this.requestId = body.requestId || "";
    this.retryAfter = body.retryAfterSeconds || 0;
    this.unchanged = unchanged;
    this.loggedOut = false;
    this.definite = unchanged && status >= 400 && status < 500 && ![401, 408, 429].includes(status);
  }
}

// The JSON of the answer, or the answer itself with `text`. Raises Failure, or AbortError once `signal` is aborted.
export async function call(method, path, options = {}) {
  announce(1);
  try {
    return await sent(method, path, options);
  } catch (failure) {
    if (failure.code !== "csrf_refused" || !(await renewed())) throw failure;
    return await sent(method, path, options);
  } finally {
    announce(-1);
  }
}

export const get = (path, query = {}, options) => call("GET", withQuery(path, query), options);

export function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

export const newKey = () => `dash-${crypto.randomUUID()}`;

// `body` is sent as JSON, `csv` as it is.
async function sent(method, path, { body, csv, key, text, signal }) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (csv !== undefined) headers["content-type"] = "text/csv";
  if (method !== "GET") headers["x-csrf-token"] = csrf;
  if (key) headers["idempotency-key"] = `"${key}"`;
  if (method !== "GET" && navigator.onLine === false) {
    throw new Failure(0, { message: "This device is offline. Nothing was sent." }, true);
  }
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  let answer;
  let found;
  try {
    answer = await fetch(ROOT + path, {
      method, headers, credentials: "same-origin", redirect: "error", cache: "no-store",
      body: body === undefined ? csv : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    if (answer.ok && text) return { headers: answer.headers, text: await answer.text() };
    found = await answer.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    if (!answer || answer.ok) throw lost(method, answer);
    found = {};
  }
  if (answer.ok) return { ...found, replayed: answer.headers.get("idempotency-replayed") === "true" };
  const failure = new Failure(answer.status, found, isUnchanged(method, answer.status, found.code));
  if (answer.status === 401 && path !== SESSION) {
    failure.loggedOut = true;
    sessionLost();
  }
  throw failure;
}

// No answer, or a successful one whose body broke off: a write may have taken effect.
function lost(method, answer) {
  const message = navigator.onLine === false ? "This device is offline."
    : answer ? "The gateway's answer broke off." : "The gateway did not answer.";
  return new Failure(0, { message }, method === "GET");
}

function isUnchanged(method, status, code) {
  if (method === "GET") return true;
  if (status < 500) return status !== 408;
  return code !== undefined && !UNKNOWN_OUTCOME.has(code) && status === 503;
}

// Another tab has logged in again, so this one's CSRF token is of an ended session. True where the same operator did.
async function renewed() {
  const found = await sent("GET", SESSION, {}).catch(() => null);
  if (found === null) return false;
  if (found.name === operator) return Boolean(keepSession(found));
  operatorChanged(found);
  return false;
}

function announce(change) {
  running += change;
  dispatchEvent(new CustomEvent("calls", { detail: running }));
}
