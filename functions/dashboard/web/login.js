// Logging in: as a page of its own, or over a page whose session has ended.
import { html, useEffect, useRef, useState } from "./html.js";
import { call, keepSession } from "./api.js";
import { BASE } from "./router.js";
import { Dialog, Field } from "./ui.js";

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
    <${Field} label="Name">${(given) => html`<input ...${given} name="name" autocomplete="username" autocapitalize="none" spellcheck=${false} maxlength="64" required value=${known || undefined} />`}<//>
    <${Field} label="Password">${(given) => html`<input ...${given} name="password" type="password" autocomplete="current-password" maxlength="200" required />`}<//>
    ${failure && html`<p class="error" role="alert">${wait
      ? `${failure.message} You can try again in ${wait} ${wait === 1 ? "second" : "seconds"}.`
      : failure.retryAfter ? "You can try again now." : failure.message}</p>`}
    <button class="primary" disabled=${busy || wait > 0}>${busy ? "Logging in…" : "Log in"}</button>
  </form>`;
}

export function LoginPage({ onIn, left }) {
  useEffect(() => { document.title = "Log in · Pluct"; }, []);
  return html`<main class="login"><div class="card">
    <h1><span class="mark" aria-hidden="true">P</span> Pluct dashboard</h1>
    <p class="quiet">${left ? "You are logged out." : location.pathname === BASE ? "For operators of this gateway." : "Log in to go on to the page that you asked for."}</p>
    <${Form} onIn=${onIn} />
  </div></main>`;
}

// What was typed on the page beneath stays; a write that met the end of the session did nothing.
export function LoginAgain({ name, onIn }) {
  return html`<${Dialog} title="Your session has ended">
    <p>Log in again and go on where you were. What you were sending was not carried out; no credit moved.</p>
    <${Form} onIn=${onIn} name=${name} />
  <//>`;
}
