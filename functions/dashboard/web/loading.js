// Reading for a page: what is shown keeps the time at which it was read, and a failed read is tried again.
import { useEffect, useRef, useState } from "./html.js";

const RETRIES_S = [2, 5, 10, 20, 30];
const OLD_MS = 30000;

// Loads with `load(signal)` whenever `deps` change, and again after a log-in, after a write, when the device is
// online again, and when a tab or window with figures older than 30 s is looked at again.
// `{ found, at, failure, loading, reload }`: `found` was read at `at` (epoch ms). It stays while it is read again, and
// when that fails, unless it was read for other `deps`.
// `reload({ gently: true })` leaves a read that is under way alone.
export function useLoad(load, deps) {
  const [state, set] = useState({ loading: true });
  const [turn, again] = useState(0);
  const wanted = JSON.stringify(deps);
  const latest = useRef({ failures: 0 });
  latest.current.state = state;
  const reload = ({ gently = false } = {}) => {
    if (!gently || !latest.current.state.loading) again((n) => n + 1);
  };
  useEffect(() => {
    const control = new AbortController();
    let retry;
    set((old) => ({ ...old, loading: true }));
    load(control.signal).then(
      (found) => {
        if (control.signal.aborted) return;
        latest.current.failures = 0;
        set({ found, loading: false, at: Date.now(), wanted });
      },
      (failure) => {
        if (control.signal.aborted) return;
        set((old) => ({ ...(old.wanted === wanted && old), failure, loading: false }));
        if (failure.definite || failure.loggedOut) return;
        const wait = RETRIES_S[Math.min(latest.current.failures++, RETRIES_S.length - 1)];
        retry = setTimeout(reload, wait * 1000);
      },
    );
    return () => {
      clearTimeout(retry);
      control.abort();
    };
  }, [wanted, turn]);
  useEffect(() => {
    const renew = () => reload();
    const lookedAt = () => {
      const { at, failure } = latest.current.state;
      const isOld = failure ? !failure.definite : Date.now() - at > OLD_MS;
      if (document.visibilityState === "visible" && isOld) reload({ gently: true });
    };
    const events = [["sessionback", renew], ["written", renew], ["online", renew]];
    events.forEach(([name, react]) => addEventListener(name, react));
    document.addEventListener("visibilitychange", lookedAt);
    addEventListener("focus", lookedAt);
    return () => {
      events.forEach(([name, react]) => removeEventListener(name, react));
      document.removeEventListener("visibilitychange", lookedAt);
      removeEventListener("focus", lookedAt);
    };
  }, []);
  return { ...state, reload };
}
