// Search, contents that follow the reading, buttons that copy, the chosen language of samples, and forms that
// send a request to the gateway of this page. `INDEX` is written before this file: title, words, address.
"use strict";

(() => {
  const page = document.documentElement;
  const root = page.dataset.root;
  const LANGUAGE = "pluct-docs-language";
  const SHOWN_CHARACTERS = 100_000;

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };

  const announced = make("p", { class: "unseen", role: "status" });
  document.body.append(announced);
  const announce = (text) => { announced.textContent = text; };

  // Copy
  for (const block of document.querySelectorAll(".code")) {
    const copy = async () => {
      try {
        await navigator.clipboard.writeText(block.querySelector("pre").textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Not allowed";
      }
      announce(button.textContent);
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    };
    const button = make("button", { type: "button", class: "copy", onclick: copy }, "Copy");
    block.append(button);
  }

  // The language of samples: a choice holds for all of them, on every page.
  const stored = () => { try { return localStorage.getItem(LANGUAGE); } catch { return null; } };
  const store = (name) => { try { localStorage.setItem(LANGUAGE, name); } catch { /* Not kept. */ } };
  const samples = [...document.querySelectorAll(".sample")];
  const choose = (name) => {
    for (const one of samples) if (one.dataset.language === name) one.open = true;
  };
  if (samples.some((one) => one.dataset.language === stored())) choose(stored());
  for (const one of samples) {
    one.querySelector("summary").addEventListener("click", () => {
      if (one.open) return;
      const { top } = one.getBoundingClientRect();
      store(one.dataset.language);
      choose(one.dataset.language);
      scrollBy(0, one.getBoundingClientRect().top - top);
      // The click would close it again.
      one.open = false;
    });
  }

  // A link to something within closed details opens them.
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const closed = target?.closest("details:not([open])");
    if (closed) { closed.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", reveal);
  reveal();

  // Contents
  const contents = document.querySelector("nav");
  const places = [...contents.querySelectorAll('a[href^="#"]')]
    .map((link) => ({ link, target: document.getElementById(link.hash.slice(1)) }))
    .filter(({ target }) => target);
  let current = null;
  const follow = () => {
    const line = Math.min(innerHeight / 3, 200);
    const passed = places.filter(({ target }) => target.getBoundingClientRect().top <= line);
    const atEnd = innerHeight + scrollY >= page.scrollHeight - 2;
    const asked = places.find(({ link }) => link.hash === location.hash);
    const isAsked = asked && atEnd && asked.target.getBoundingClientRect().top < innerHeight;
    const found = isAsked ? asked : passed.at(-1) ?? null;
    if (found === current) return;
    current?.link.removeAttribute("aria-current");
    current = found;
    if (!current) return;
    current.link.setAttribute("aria-current", "location");
    const { top, bottom } = current.link.getBoundingClientRect();
    const frame = contents.getBoundingClientRect();
    if (top < frame.top) contents.scrollTop -= frame.top - top + 40;
    if (bottom > frame.bottom) contents.scrollTop += bottom - frame.bottom + 40;
  };
  let isPlanned = false;
  addEventListener("scroll", () => {
    if (isPlanned) return;
    isPlanned = true;
    requestAnimationFrame(() => { isPlanned = false; follow(); });
  }, { passive: true });
  follow();
  const folded = contents.querySelector("details");
  const isWide = matchMedia("(min-width: 62rem)");
  const fold = () => { folded.open = isWide.matches; };
  isWide.addEventListener("change", fold);
  contents.addEventListener("click", (event) => { if (event.target.closest("a")) fold(); });
  fold();

  // Search
  const field = make("input", {
    id: "search", type: "search", autocomplete: "off", spellcheck: "false",
    placeholder: "Search", "aria-label": "Search the documentation", "aria-controls": "found",
  });
  const results = make("ul", { id: "found", hidden: true });
  const find = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const scored = INDEX.map(([title, more, address]) => {
      const [head, all] = [title.toLowerCase(), `${title} ${more}`.toLowerCase()];
      if (!words.every((word) => all.includes(word))) return null;
      const inTitle = words.filter((word) => head.includes(word)).length;
      return { title, more, address, score: inTitle * 2 + (head.startsWith(words[0]) ? 1 : 0) };
    });
    const found = scored.filter(Boolean).sort((a, b) => b.score - a.score).slice(0, 12);
    results.replaceChildren(...found.map(({ title, more, address }) => make("li", {},
      make("a", { href: `${root}/docs${address}` }, make("b", {}, title), " ",
        make("span", {}, more.slice(0, 120))))));
    if (words.length && !found.length) results.append(make("li", { class: "none" }, "Nothing found"));
    results.hidden = !words.length;
    announce(words.length ? `${found.length} results` : "");
  };
  const close = () => { results.hidden = true; };
  const move = (event) => {
    const links = [...results.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    if (event.key === "Escape") { close(); field.focus(); return; }
    if (event.key === "Enter" && event.target === field && links[0]) links[0].click();
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 }[event.key];
    if (to === undefined || results.hidden) return;
    event.preventDefault();
    (links[to] ?? (to < 0 ? field : links[at])).focus();
  };
  const search = make("div", { onkeydown: move }, field, results);
  field.addEventListener("input", find);
  results.addEventListener("click", (event) => { if (event.target.closest("a")) close(); });
  document.querySelector(".search").append(search);
  document.addEventListener("click", (event) => { if (!search.contains(event.target)) close(); });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, textarea, select");
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    field.focus();
  });

  // Try it. Credentials are kept in this variable alone: leaving the page forgets them.
  const credentials = new Map();
  let forms = 0;

  const labelled = (label, control) => {
    const id = `field-${++forms}`;
    control.id = id;
    return make("p", {}, make("label", { for: id }, label), control);
  };
  const input = (value, more = {}) => {
    const control = make("input", { type: "text", autocomplete: "off", spellcheck: "false", ...more });
    control.value = value;
    return control;
  };

  const credential = (call) => {
    if (!call.credentials.length) return { parts: [], headers: () => [] };
    const names = call.credentials.map(([name]) => name);
    const select = make("select", {}, ...names.map((name) => make("option", {}, name)), make("option", {}, "none"));
    const values = make("div");
    let fields = [];
    const show = () => {
      const found = call.credentials.find(([name]) => name === select.value);
      fields = (found?.[1] ?? []).map(([header, prefix]) => {
        const key = `${select.value} ${header}`;
        // No password field: a browser would offer to store what is typed there.
        const control = input(credentials.get(key) ?? "", { class: "secret" });
        control.addEventListener("input", () => credentials.set(key, control.value));
        return { header, prefix, control };
      });
      values.replaceChildren(...fields.map(({ header, prefix, control }) =>
        labelled(`${header}${prefix ? `: ${prefix.trim()}` : ""}`, control)));
    };
    select.addEventListener("change", show);
    show();
    return {
      parts: [labelled("Credential", select), values],
      headers: () => fields.map(({ header, prefix, control }) => [header, prefix + control.value.trim()]),
    };
  };

  const readable = async (answer) => {
    const text = await answer.text();
    const isJson = answer.headers.get("content-type")?.startsWith("application/json");
    const shown = isJson && text ? JSON.stringify(JSON.parse(text), null, 2) : text;
    return shown.length > SHOWN_CHARACTERS ? `${shown.slice(0, SHOWN_CHARACTERS)}\n(cut here)` : shown;
  };

  const form = (call) => {
    const fields = call.fields.map(([name, place, isRequired, example]) => {
      const isKey = name === "Idempotency-Key";
      const value = isKey ? crypto.randomUUID() : isRequired ? example : "";
      return { name, place, isRequired, control: input(value, { placeholder: example }) };
    });
    const chosen = credential(call);
    const body = call.body && make("textarea", { rows: 8, spellcheck: "false" });
    if (body) body.value = call.body.text;
    const status = make("p", { class: "outcome", role: "status" });
    const output = make("pre", { tabindex: "0", hidden: true });
    const button = make("button", { type: "submit", class: "send" }, `Send ${call.method}`);

    const request = () => {
      const query = new URLSearchParams();
      const headers = new Headers(chosen.headers());
      let path = call.path;
      for (const { name, place, control } of fields) {
        const value = control.value;
        if (place === "path") path = path.replace(`{${name}}`, () => encodeURIComponent(value));
        else if (value && place === "query") query.set(name, value);
        else if (value) headers.set(name, value);
      }
      if (body) headers.set("Content-Type", call.body.kind);
      const address = root + path + (query.size ? `?${query}` : "");
      // Without the cookie of an operator who is logged in: the form sends what it shows.
      const options = { method: call.method, headers, credentials: "omit", redirect: "manual", cache: "no-store" };
      return fetch(address, body ? { ...options, body: body.value } : options);
    };
    const send = async (event) => {
      event.preventDefault();
      if (button.ariaDisabled === "true") return;
      button.ariaDisabled = "true";
      status.textContent = "Waiting for the answer";
      output.hidden = true;
      const began = performance.now();
      try {
        const answer = await request();
        const text = await readable(answer);
        const took = Math.round(performance.now() - began);
        const outcome = answer.type === "opaqueredirect" ? "A redirect" : `${answer.status} ${answer.statusText}`;
        status.textContent = `${outcome.trim()} in ${took} ms`;
        output.textContent = text;
        output.hidden = !text;
      } catch (error) {
        status.textContent = `No answer: ${error.message}`;
      } finally {
        button.ariaDisabled = "false";
      }
    };
    const parameter = ({ name, place, isRequired, control }) =>
      labelled(`${name} (${place}${isRequired ? ", required" : ""})`, control);
    return make("form", { onsubmit: send },
      make("p", { class: "note" }, `Sends a real request to ${location.origin}${root}. Credentials are forgotten when you leave this page.`),
      ...chosen.parts, ...fields.map(parameter), ...(body ? [labelled("Body", body)] : []),
      make("p", {}, button), status, output);
  };

  if (page.dataset.try === "on") {
    for (const section of document.querySelectorAll("section[data-call]")) {
      const details = make("details", { class: "try" }, make("summary", {}, "Try it"));
      details.addEventListener("toggle", () => {
        if (details.open && !details.querySelector("form")) details.append(form(JSON.parse(section.dataset.call)));
      });
      section.append(details);
    }
  }
})();
