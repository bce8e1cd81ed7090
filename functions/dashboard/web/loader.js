// Comes before the modules in app.js: loads the files of a module that is imported on demand, each once.
// `$parts` names the files of each such module; the page's <meta name="part:…"> have their addresses.
const $all = {};
const $run = new Set();
const $tries = {};

function $fetched(file) {
  const { content } = document.querySelector(`meta[name="part:${file}"]`);
  // Some browsers remember a failed import for as long as the page lives.
  const tries = $tries[file] || 0;
  return import(tries ? `${content}?try=${tries}` : content).catch((error) => {
    $tries[file] = tries + 1;
    throw error;
  });
}

async function $part(name, module) {
  const files = $parts[name];
  const loaded = await Promise.all(files.map($fetched));
  files.forEach((file, n) => {
    if ($run.has(file)) return;
    $run.add(file);
    loaded[n].default($all);
  });
  return $all[module];
}
