// Logging in: as a page of its own, or over a page whose session has ended.
import { html, useEffect, useRef, useState } from "./html.js";
import { call, keepSession } from "./api.js";
import { Dialog } from "./dialog.js";
import { BASE } from "./router.js";
import { Field } from "./ui.js";

function Form({ onIn, name: known = "" }) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState(null);
  const [wait, setWait] = useState(0);
  const form = useRef();
  useEffect(() => form.current.elements[known ? "password" : "name"].focus(), []);
  useEffect(() => {
    if (!wait) return undefined;
    const timer = setTimeout(() => setWait(wait - 1), 1000);
    return () => clearTimeout(timer);
  }, [wait]);
  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    const body = Object.fromEntries(new FormData(form.current));
    setBusy(true);
    setFailure(null);
    try {
      onIn(keepSession(await call("POST", "/dashboard/session", { body })));
    } catch (error) {
      setFailure(error);
      setWait(error.retryAfter || 0);
      setBusy(false);
      form.current.elements.password.select();
    }
  };
  return html`<form class="stack" ref=${form} onSubmit=${submit} method="post">
    <${Field} label="Name">${(given) => html`<input ...${given} name="name" autocomplete="username" autocapitalize="none" spellcheck=${false} maxlength="64" required defaultValue=${known} />`}<//>
    <${Field} label="Password">${(given) => html`<input ...${given} name="password" type="password" data-first autocomplete="current-password" maxlength="200" required />`}<//>
    ${failure && html`<p class="error" role="alert">${wait
      ? `${failure.message} You can try again in ${wait} ${wait === 1 ? "second" : "seconds"}.`
      : failure.retryAfter ? "You can try again now." : failure.message}</p>`}
    <button class="primary" disabled=${wait > 0} aria-disabled=${busy ? "true" : undefined}>${busy ? "Logging in…" : "Log in"}</button>
  </form>`;
}

const WELCOME = { loggedOut: "You are logged out.", start: "For operators of this gateway.", page: "Log in to open the page that you asked for." };

export function LoginPage({ onIn, left }) {
  useEffect(() => { document.title = "Log in · Pluct"; }, []);
  return html`<main class="login"><div class="card">
    <h1><span class="mark" aria-hidden="true">P</span> Pluct dashboard</h1>
    <p class="quiet">${WELCOME[left ? "loggedOut" : location.pathname === BASE ? "start" : "page"]}</p>
    <${Form} onIn=${onIn} />
  </div></main>`;
}

// Covers the page, and keeps what was typed there. A write that was refused because the session had ended did nothing.
export function LoginAgain({ name, elsewhere, onIn }) {
  return html`<${Dialog} title=${elsewhere ? "You logged out in another tab" : "Your session has ended"} cls="cover">
    <p>Log in again to continue where you were. What you typed is kept.${elsewhere ? "" : " A change that was just refused was not carried out; no credit moved."}</p>
    <${Form} onIn=${onIn} name=${name} />
  <//>`;
}
