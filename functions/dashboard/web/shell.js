// The frame around every page: navigation, the theme, and who is logged in.
import { html, useEffect, useRef, useState } from "./html.js";
import { call } from "./api.js";
import { LINKS } from "./pages.js";
import { Working } from "./progress.js";
import { go, href, usePlace } from "./router.js";
import { say } from "./ui.js";
import { UnknownWrites } from "./writes.js";

const THEMES = { auto: "System", light: "Light", dark: "Dark" };

export function applyTheme(theme = stored()) {
  const root = document.documentElement;
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
  dispatchEvent(new Event("themechange"));
}

function stored() {
  try {
    return localStorage.getItem("theme") || "auto";
  } catch {
    return "auto";
  }
}

function Theme() {
  const [theme, set] = useState(stored);
  const choose = (event) => {
    set(event.target.value);
    try {
      localStorage.setItem("theme", event.target.value);
    } catch { /* A browser that stores nothing forgets the choice. */ }
    applyTheme(event.target.value);
  };
  return html`<label class="theme"><span>Theme</span>
    <select value=${theme} onChange=${choose}>${Object.entries(THEMES).map(([value, label]) => html`<option value=${value}>${label}</option>`)}</select>
  </label>`;
}

// Found from every page; the key `/` leads to it, and the down arrow from it to what was found.
function Find({ q = "" }) {
  const box = useRef();
  useEffect(() => { box.current.value = q; }, [q]);
  useEffect(() => {
    const key = (event) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target.closest?.("input, select, textarea, dialog, [contenteditable]")) return;
      event.preventDefault();
      box.current.focus();
      box.current.select();
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, []);
  const submit = (event) => {
    event.preventDefault();
    const text = box.current.value.trim();
    if (text) go(href("search", "", { q: text }));
  };
  const arrow = (event) => {
    const first = event.key === "ArrowDown" && document.querySelector("a.result");
    if (event.key === "Escape") box.current.blur();
    if (!first) return;
    event.preventDefault();
    first.focus();
  };
  return html`<form class="find" role="search" onSubmit=${submit}><input id="find" ref=${box} type="search" aria-label="Search" aria-keyshortcuts="/" placeholder="Search  /" maxlength="512" autocomplete="off" spellcheck=${false} onKeyDown=${arrow} /></form>`;
}

export function Shell({ session, onOut, children }) {
  const { page, id, query } = usePlace();
  const [open, setOpen] = useState(false);
  const main = useRef();
  const first = useRef(true);
  const menu = useRef();
  useEffect(() => {
    setOpen(false);
    if (first.current) first.current = false;
    else if (page !== "search") main.current.querySelector("h1")?.focus(); // A search leaves the box only by the arrow key.
  }, [page, id]);
  const leave = async (path) => {
    try {
      await call("DELETE", path);
      onOut();
    } catch (failure) {
      if (failure.status === 401) onOut();
      else say(failure.message, { tone: "bad" });
    }
  };
  const escape = (event) => {
    if (event.key !== "Escape" || !open) return;
    setOpen(false);
    menu.current.focus();
  };
  return html`<div class="shell">
    <a class="skip" href="#main">Skip to the page</a>
    <${Working} />
    <div class=${open ? "side open" : "side"} onKeyDown=${escape}>
      <div class="brand"><a href=${href()}><span class="mark" aria-hidden="true">P</span> Pluct</a>
        ${session.environment !== "prod" && html`<span class="badge env">${session.environment}</span>`}
        <button class="menu" ref=${menu} aria-expanded=${open ? "true" : "false"} aria-controls="nav" onClick=${() => setOpen(!open)}>Menu</button>
      </div>
      <${Find} q=${page === "search" ? query.q : ""} />
      <nav id="nav" aria-label="Pages of the dashboard">${LINKS.map(([name, label]) => html`
        <a href=${href(name)} aria-current=${name === page ? "page" : undefined} key=${name}>${label}</a>`)}</nav>
      <footer>
        <p class="me"><strong>${session.name}</strong><span class="quiet">${session.role}</span></p>
        <${Theme} />
        <button class="quiet-button" onClick=${() => leave("/dashboard/session")}>Log out</button>
        <button class="quiet-button" onClick=${() => leave("/dashboard/sessions")}>Log out everywhere</button>
      </footer>
    </div>
    <main id="main" ref=${main} tabindex="-1"><${UnknownWrites} />${children}</main>
  </div>`;
}
