// Starts the dashboard: a session first, then the page that the address names.
import { html, render, useEffect, useRef, useState } from "./html.js";
import { call, keepSession, onSession } from "./api.js";
import { LoginAgain, LoginPage } from "./login.js";
import { Page, preload, preloadLinks } from "./pages.js";
import { place, takeClicks, usePlace } from "./router.js";
import { applyTheme, Shell } from "./shell.js";
import { say, Toasts, Trouble } from "./ui.js";

const tabs = new BroadcastChannel("pluct-session");

function Opened({ session }) {
  const at = usePlace();
  return html`<${Page} place=${at} session=${session} key=${`${at.page}/${at.id}/${session.turn}`} />`;
}

function App() {
  const [session, setSession] = useState();
  const [lost, setLost] = useState(null);
  const [left, setLeft] = useState(false);
  const [failure, setFailure] = useState();
  const enter = (found) => {
    keepSession(found);
    setSession((old) => ({ ...found, turn: old && old.name === found.name ? old.turn : Date.now() }));
    setLost(null);
    setLeft(false);
    dispatchEvent(new Event("sessionback"));
  };
  const ask = () => {
    setFailure(undefined);
    return call("GET", "/dashboard/session").then(enter, (error) => (error.status === 401 ? setSession(null) : setFailure(error)));
  };
  const logIn = (found) => {
    enter(found);
    tabs.postMessage("in");
  };
  const leave = () => {
    setSession(null);
    setLost(null);
    setLeft(true);
    tabs.postMessage("out");
  };
  const current = useRef();
  current.current = session;
  useEffect(() => {
    onSession({
      lost: () => setLost((old) => old || "ended"),
      changed: (found) => {
        enter(found);
        say(`${found.name} logged in in another tab; this tab continues as ${found.name}. Nothing was changed.`, { tone: "bad" });
      },
    });
    tabs.onmessage = ({ data }) => {
      if (data === "out" && current.current) setLost("elsewhere");
      if (data === "in") call("GET", "/dashboard/session").then(enter, () => {});
    };
    ask();
  }, []);
  if (failure) return html`<main class="login"><${Trouble} failure=${failure} retry=${ask} /></main>`;
  if (session === undefined) return html`<main class="login" aria-busy="true"></main>`;
  if (session === null) return html`<${LoginPage} onIn=${logIn} left=${left} /><${Toasts} />`;
  return html`<${Shell} session=${session} onOut=${leave}><${Opened} session=${session} /><//>
    ${lost && html`<${LoginAgain} name=${session.name} elsewhere=${lost === "elsewhere"} onIn=${logIn} />`}
    <${Toasts} />`;
}

preload(place());
applyTheme();
takeClicks();
preloadLinks();
render(html`<${App} />`, document.getElementById("app"));
