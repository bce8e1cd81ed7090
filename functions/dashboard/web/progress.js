// What is shown while the gateway takes its time.
import { html, useEffect, useState } from "./html.js";

const SHOWN_S = 1;
const SAID_S = 3;

// A bar after a second and the seconds in words after three, counted from when it first stood on the page.
export function Waiting() {
  const [seconds, set] = useState(0);
  useEffect(() => {
    const since = Date.now();
    const timer = setInterval(() => set(Math.floor((Date.now() - since) / 1000)), 500);
    return () => clearInterval(timer);
  }, []);
  return seconds >= SHOWN_S && html`<span class="waiting"><progress aria-label="Waiting for the gateway"></progress>
    ${seconds >= SAID_S && html`<span>Waiting for the gateway for ${seconds} s</span>`}</span>`;
}

// The same for whatever the page is calling.
export function Working() {
  const [running, set] = useState(0);
  useEffect(() => {
    const heard = (event) => set(event.detail);
    addEventListener("calls", heard);
    return () => removeEventListener("calls", heard);
  }, []);
  return html`<div class="working" role="status">${running > 0 && html`<${Waiting} />`}</div>`;
}
