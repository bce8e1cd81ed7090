// Subscriptions: filled in with the service's own routes.
import { html } from "./html.js";
import { Empty, Head } from "./ui.js";

export function Subscriptions() {
  return html`<${Head} title="Subscriptions" /><${Empty} title="This gateway has no subscription service" />`;
}

export const Subscription = Subscriptions;
