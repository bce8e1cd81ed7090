// The path under which browsers reach the gateway, such as "/gateway"; empty at the root of a domain.
export const ROOT = document.documentElement.dataset.root;
