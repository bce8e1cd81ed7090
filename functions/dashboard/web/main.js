// Starts the dashboard: a session first, then the page that the address names.
import { html, render, useEffect, useState } from "./html.js";
import { call, keepSession, onSessionLost } from "./api.js";
import { Audit } from "./audit.js";
import { Keys } from "./keys.js";
import { LoginAgain, LoginPage } from "./login.js";
import { NotFound } from "./notfound.js";
import { Overview } from "./overview.js";
import { takeClicks, usePlace } from "./router.js";
import { applyTheme, Shell } from "./shell.js";
import { Subscription, Subscriptions } from "./subscriptions.js";
import { Transactions } from "./transactions.js";
import { Toasts, Trouble } from "./ui.js";
import { User } from "./user.js";
import { Users } from "./users.js";

const PAGES = {
  "": Overview, users: Users, transactions: Transactions, keys: Keys, subscriptions: Subscriptions, audit: Audit,
};
const PAGES_OF = { users: User, subscriptions: Subscription };

function Page({ session }) {
  const { page, id, query } = usePlace();
  const Found = (id ? PAGES_OF : PAGES)[page] || NotFound;
  return html`<${Found} id=${id} query=${query} session=${session} key=${`${page}/${id}/${session.turn}`} />`;
}

function App() {
  const [session, setSession] = useState();
  const [lost, setLost] = useState(false);
  const [left, setLeft] = useState(false);
  const [failure, setFailure] = useState();
  const ask = () => {
    setFailure(undefined);
    call("GET", "/dashboard/session").then(
      (found) => setSession(keepSession(found)),
      (error) => (error.status === 401 ? setSession(null) : setFailure(error)),
    );
  };
  useEffect(() => {
    onSessionLost(() => setLost(true));
    ask();
  }, []);
  const enter = (found) => {
    setSession((old) => ({ ...found, turn: old && old.name === found.name ? old.turn : Date.now() }));
    setLost(false);
    setLeft(false);
    dispatchEvent(new Event("sessionback"));
  };
  const leave = () => {
    setSession(null);
    setLost(false);
    setLeft(true);
  };
  if (failure) return html`<main class="login"><${Trouble} failure=${failure} retry=${ask} /></main>`;
  if (session === undefined) return html`<main class="login" aria-busy="true"></main>`;
  if (session === null) return html`<${LoginPage} onIn=${enter} left=${left} /><${Toasts} />`;
  return html`<${Shell} session=${session} onOut=${leave}><${Page} session=${session} /><//>
    ${lost && html`<${LoginAgain} name=${session.name} onIn=${enter} />`}
    <${Toasts} />`;
}

applyTheme();
takeClicks();
render(html`<${App} />`, document.getElementById("app"));
