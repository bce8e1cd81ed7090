// Calls of the admin API with the session's cookie, and what their failures mean for the money.
import { ROOT } from "./root.js";

const TIMEOUT_MS = 25000;
const MAYBE = new Set(["outcome_unknown", "internal_error"]);

let csrf = "";
let sessionLost = () => {};

// `lost` is called when a call finds that the session is over.
export function onSessionLost(lost) {
  sessionLost = lost;
}

export function keepSession(session) {
  csrf = session.csrfToken;
  return session;
}

// A call that failed. `unchanged` is true where certainly nothing happened, false where it may have.
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
  }
}

export async function call(method, path, { body, key, text, signal } = {}) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET") headers["x-csrf-token"] = csrf;
  if (key) headers["idempotency-key"] = `"${key}"`;
  const isWrite = method !== "GET";
  let answer;
  try {
    answer = await fetch(ROOT + path, {
      method, headers, credentials: "same-origin", redirect: "error", cache: "no-store",
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal || AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(0, {
      message: navigator.onLine === false ? "This device is offline." : "The gateway did not answer.",
    }, !isWrite);
  }
  if (answer.ok && text) return answer;
  const found = await answer.json().catch(() => ({}));
  if (answer.ok) return { ...found, replayed: answer.headers.get("idempotency-replayed") === "true" };
  const failure = new Failure(answer.status, found, isUnchanged(answer.status, found.code));
  if (failure.code === "session_ended") sessionLost();
  throw failure;
}

export const get = (path, query = {}, options) => call("GET", withQuery(path, query), options);

export function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

export const newKey = () => `dash-${crypto.randomUUID()}`;

function isUnchanged(status, code) {
  if (status < 500) return true;
  return code !== undefined && !MAYBE.has(code) && status === 503;
}
