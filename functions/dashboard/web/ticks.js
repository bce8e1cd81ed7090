// Where the labels of a time axis stand, for any span from seconds to decades.

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [1, 2, 5, 10, 15, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY];
const MONTHS = [1, 2, 3, 6, 12, 24, 60, 120];
const MONTH = 30.4 * DAY;

const formats = (zone) => {
  const made = (options) => new Intl.DateTimeFormat(undefined, { ...options, timeZone: zone });
  return {
    second: made({ hour: "2-digit", minute: "2-digit", second: "2-digit" }), minute: made({ hour: "2-digit", minute: "2-digit" }),
    day: made({ day: "numeric", month: "short" }), month: made({ month: "short", year: "numeric" }), year: made({ year: "numeric" }),
  };
};
const LOCAL = formats(undefined);
const UTC = formats("UTC");

// Labels for the span of `first` to `last` (epoch seconds): at most `room`, each `{ at, text }`. Days are UTC days where
// `step` is "day", else the viewer's.
export function marks(first, last, room, step) {
  const names = step === "day" ? UTC : LOCAL;
  const length = Math.max(1, last - first);
  const least = step === "day" ? DAY : 1;
  const every = STEPS.find((size) => size >= least && length / size < room);
  const places = every ? regular(first, last, every, step === "day") : monthly(first, last, room, step === "day");
  const name = !every ? (length > 6 * 12 * MONTH ? "year" : "month") : every < MINUTE ? "second" : every < DAY ? "minute" : "day";
  const found = places.map((at) => ({ at, text: names[isMidnight(at, step) && every < DAY ? "day" : name].format(at * 1000) }));
  return found.length ? found : [{ at: (first + last) / 2, text: names[name].format((first + last) * 500) }];
}

function isMidnight(at, step) {
  const moment = new Date(at * 1000);
  return step === "day" ? at % DAY === 0 : moment.getHours() + moment.getMinutes() + moment.getSeconds() === 0;
}

// Multiples of `every`, counted from a midnight, so that hours and days are whole ones of the zone.
function regular(first, last, every, isUtc) {
  const found = [];
  if (every < DAY) {
    const offset = isUtc ? 0 : new Date(first * 1000).getTimezoneOffset() * MINUTE;
    for (let at = Math.ceil((first - offset) / every) * every + offset; at <= last; at += every) found.push(at);
    return found;
  }
  const day = new Date(first * 1000);
  const next = () => (isUtc ? day.setUTCDate(day.getUTCDate() + every / DAY) : day.setDate(day.getDate() + every / DAY));
  if (isUtc) day.setUTCHours(0, 0, 0, 0);
  else day.setHours(0, 0, 0, 0);
  for (; day / 1000 <= last; next()) if (day / 1000 >= first) found.push(day / 1000);
  return found;
}

function monthly(first, last, room, isUtc) {
  const length = last - first;
  const every = MONTHS.find((count) => length / (count * MONTH) < room) || Math.ceil(length / (room * MONTH));
  const start = new Date(first * 1000);
  const year = isUtc ? start.getUTCFullYear() : start.getFullYear();
  const found = [];
  for (let month = 0; ; month += every) {
    const at = (isUtc ? Date.UTC(year, month) : new Date(year, month).getTime()) / 1000;
    if (at > last) return found;
    if (at >= first) found.push(at);
  }
}
