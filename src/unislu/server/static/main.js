// The page: what is asked, what is shown, and how one follows the other.

import * as api from "./api.js";
import { Recorder } from "./recorder.js";
import { counted, Redaction } from "./redaction.js";
import { drawShares, drawTimeline } from "./sentiment.js";
import { clock, Transcript } from "./transcript.js";
import { joined, tint, TypeList } from "./types.js";

const $ = (id) => document.getElementById(id);
const SHORT = 60; // seconds up to which other biases are tried in advance
const AHEAD = [2, -2, 4, -4];

const state = {
  file: null,
  shownFile: null, // whose result is shown
  url: null,
  asked: null, // the fields of what is shown, without the bias
  results: new Map(), // by bias
  shown: null,
  hidden: new Set(),
  refine: null, // AbortController of a request for the bias that was chosen
  ahead: null,
  running: null,
};

const lengthOf = (seconds) => (seconds < 60 ? `${Math.round(seconds)} s` : clock(seconds));

const amount = (entities) => {
  if (!entities) return "Transcript";
  return entities.length === 1 ? "1 entity" : `${entities.length} entities`;
};

const audio = $("audio");
const transcript = new Transcript($("text"), audio);
let moveCursor = () => {};
audio.addEventListener("timeupdate", () => moveCursor(audio.currentTime));

const types = new TypeList(
  $("types"), $("add-type"), $("clear-types"), $("reset-types"), $("types-note"), optionsChanged,
);
const redaction = new Redaction(() => ({ file: state.shownFile, fields: withBias(state.asked, bias()) }), say, fail);
new Recorder($("record"), $("record-text"), (file) => { choose(file); start(); }, fail);

api.onKeyNeeded(async (wrong) => {
  const dialog = $("key-dialog");
  $("key-error").hidden = !wrong;
  $("key").value = "";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  return $("key").value || null;
});

function fail(message) {
  $("error").textContent = message;
  $("error").hidden = false;
  $("error").scrollIntoView({ block: "nearest" });
}

function say(text) {
  $("status").textContent = text;
}

function choose(file) {
  state.file = file;
  $("chosen").hidden = false;
  $("chosen").textContent = `${file.name} · ${(file.size / 1e6).toFixed(file.size < 1e6 ? 2 : 1)} MB`;
  $("error").hidden = true;
  $("go").disabled = false;
}

const bias = () => Number($("bias").value);
const shownBias = (value) => (value > 0 ? `+${value}` : String(value).replace("-", "−"));

/** What is asked of the server, without the bias. */
function fields() {
  const tasks = ["asr", ...($("task-ner").checked ? ["ner"] : []), ...($("task-sa").checked ? ["sa"] : [])];
  const asked = { tasks: tasks.join(",") };
  if ($("task-ner").checked && !types.isDefault) asked.entities = joined(types.types);
  return asked;
}

const withBias = (asked, value) => (asked.tasks.includes("ner") ? { ...asked, bias: value } : asked);

function optionsChanged() {
  const empty = $("task-ner").checked && types.types.length === 0;
  $("types-box").disabled = $("bias-box").disabled = !$("task-ner").checked;
  $("go").disabled = !state.file || empty || state.running !== null;
  const differs = state.asked !== null && JSON.stringify(fields()) !== JSON.stringify(state.asked);
  $("go").textContent = differs ? "Analyse again" : "Analyse";
  // A file is analysed as soon as it is chosen: the button is for what changed since then, or went wrong.
  $("go-box").hidden = !state.file || state.running !== null || (state.file === state.shownFile && !differs);
}

async function start() {
  state.running?.abort();
  state.refine?.abort();
  state.ahead?.abort();
  const run = (state.running = new AbortController());
  const asked = fields();
  const value = bias();
  const file = state.file;
  $("error").hidden = true;
  $("progress-box").hidden = false;
  $("shown").hidden = $("empty").hidden = true; // nothing of another file stands under this one's name
  optionsChanged();
  report("uploading", 0);
  if (!isInView($("progress-box"))) $("progress-box").scrollIntoView({ block: "start" });
  try {
    const analysis = await api.analyzeAsJob(file, withBias(asked, value), report, run.signal);
    state.asked = asked;
    state.shownFile = file;
    state.results = new Map([[value, analysis]]);
    state.hidden = new Set();
    redaction.forget();
    if (state.url) URL.revokeObjectURL(state.url);
    state.url = URL.createObjectURL(file);
    audio.src = state.url;
    $("before").src = state.url;
    $("shown").hidden = false;
    show(analysis);
    const { top } = $("shown").getBoundingClientRect();
    if (top < 0 || top > window.innerHeight / 2) $("shown").scrollIntoView({ block: "start" });
    say(`${amount(analysis.entities)} in ${lengthOf(analysis.duration)} of audio.`);
    $("result").focus({ preventScroll: true });
    tryAhead();
  } catch (failure) {
    if (failure.name === "AbortError") say("Cancelled.");
    else fail(failure.message);
  } finally {
    if (state.running === run) {
      state.running = null;
      $("progress-box").hidden = true;
      // Earlier results of this very file are kept.
      $("shown").hidden = file !== state.shownFile;
      $("empty").hidden = !$("shown").hidden || !$("error").hidden;
      optionsChanged();
    }
  }
}

function isInView(element) {
  const { top, bottom } = element.getBoundingClientRect();
  return top >= 0 && bottom <= window.innerHeight;
}

function report(stage, share) {
  const words = { uploading: "Uploading", waiting: "Waiting", transcribing: "Transcribing" };
  const known = stage !== "waiting" && share > 0;
  $("progress-label").textContent = known ? `${words[stage]} ${Math.round(100 * share)} %` : words[stage];
  if (known) $("progress").value = share;
  else $("progress").removeAttribute("value");
}

/** Short audio is transcribed with other biases as well, so that the slider acts at once. */
async function tryAhead() {
  if (!state.asked.tasks.includes("ner") || state.shown.duration > SHORT) return;
  const ahead = (state.ahead = new AbortController());
  const { shownFile: file, asked, results } = state;
  try {
    for (const value of AHEAD) {
      if (results.has(value)) continue;
      results.set(value, await api.analyze(file, withBias(asked, value), ahead.signal));
      if (bias() === value && state.results === results) {
        show(results.get(value)); // before `refine` had to ask for it
        $("refining").hidden = true;
      }
    }
  } catch {
    // What is not known in advance is asked for when it is needed.
  }
}

/** The slider moved: the nearest known result is drawn now, the exact one as soon as it is there. */
function slide() {
  $("bias-value").textContent = shownBias(bias());
  if (!state.shown || !state.asked.tasks.includes("ner")) return;
  state.refine?.abort();
  const wanted = bias();
  const known = [...state.results.keys()];
  const nearest = known.reduce((a, b) => (Math.abs(b - wanted) < Math.abs(a - wanted) ? b : a));
  const less = nearest - wanted;
  // With a bias lower by `less`, an entity stays if the odds for it do: an estimate until the result is there.
  const threshold = 1 / (1 + Math.exp(-less));
  show(state.results.get(nearest), less > 0 ? (entity) => (entity.confidence ?? 1) < threshold : undefined);
  $("refining").hidden = nearest === wanted;
}

let waiting = 0;
function refineSoon() {
  clearTimeout(waiting);
  waiting = setTimeout(refine, 200);
}

async function refine() {
  const wanted = bias();
  const { shownFile: file, asked, results } = state;
  if (!state.shown || !asked.tasks.includes("ner") || results.has(wanted)) return;
  state.ahead?.abort();
  const run = (state.refine = new AbortController());
  try {
    const analysis =
      state.shown.duration > SHORT
        ? await api.analyzeAsJob(file, withBias(asked, wanted), () => {}, run.signal)
        : await api.analyze(file, withBias(asked, wanted), run.signal);
    results.set(wanted, analysis);
    if (state.results === results && bias() === wanted) {
      show(analysis);
      say(`${analysis.entities.length} entities with bias ${shownBias(wanted)}.`);
    }
  } catch (failure) {
    if (failure.name !== "AbortError") fail(failure.message);
  } finally {
    if (state.refine === run) $("refining").hidden = true;
  }
}

function show(analysis, faded = () => false) {
  state.shown = analysis;
  transcript.draw(analysis, state.hidden, faded);
  $("hint").textContent = transcript.words.length
    ? transcript.timed
      ? "Click a word to hear it."
      : "Click a word to hear its segment: this model gives no word times."
    : "";
  $("warnings").replaceChildren(...analysis.warnings.map((warning) => item(warning)));
  const entities = (analysis.entities ?? []).filter((entity) => !faded(entity));
  drawLegend(entities);
  drawEntities(entities, analysis.entities !== null);
  drawSentiment(analysis);
  redaction.draw(entities);
}

function item(text) {
  const made = document.createElement("li");
  made.textContent = text;
  return made;
}

function drawLegend(entities) {
  const chips = [...counted(entities)].map(([type, count]) => {
    const chip = tint(document.createElement("button"), type);
    chip.type = "button";
    chip.className = "chip";
    chip.textContent = `${type} ${count}`;
    chip.setAttribute("aria-pressed", String(!state.hidden.has(type)));
    chip.addEventListener("click", () => {
      if (!state.hidden.delete(type)) state.hidden.add(type);
      show(state.shown);
      [...$("legend").querySelectorAll("button")].find((other) => other.textContent === chip.textContent)?.focus();
    });
    const holder = document.createElement("li");
    holder.append(chip);
    return holder;
  });
  $("legend").replaceChildren(...chips);
}

function drawEntities(entities, asked) {
  $("entities-card").hidden = !asked;
  $("entity-count").textContent = entities.length || "none";
  $("entities").hidden = !entities.length;
  const rows = entities.map((entity) => {
    const row = document.createElement("tr");
    const type = tint(document.createElement("span"), entity.type);
    type.className = "chip";
    const name = document.createElement("span");
    name.textContent = entity.type;
    name.style.paddingRight = ".7rem";
    type.append(name);
    const play = document.createElement("button");
    play.type = "button";
    play.textContent = entity.text;
    play.title = "Hear it";
    const segment = state.shown.segments.find((part) => part.start_char <= entity.start_char && entity.start_char < part.end_char);
    const start = entity.start ?? segment?.start ?? 0;
    play.addEventListener("click", () => transcript.seek(start));
    const sure = document.createDocumentFragment();
    if (entity.confidence !== null) {
      const bar = document.createElement("span");
      bar.className = "bar";
      const inner = document.createElement("i");
      inner.style.width = `${100 * entity.confidence}%`;
      bar.append(inner);
      sure.append(bar, `${Math.round(100 * entity.confidence)} %`);
    }
    for (const content of [type, play, clock(start), sure]) {
      const cell = document.createElement("td");
      cell.append(content);
      row.append(cell);
    }
    return row;
  });
  $("entities").tBodies[0].replaceChildren(...rows);
}

function drawSentiment(analysis) {
  $("sentiment-card").hidden = analysis.sentiment === null;
  if (analysis.sentiment === null) return;
  $("mood").textContent = analysis.sentiment.label;
  drawShares($("shares"), analysis.sentiment);
  moveCursor = drawTimeline($("timeline"), analysis, (seconds) => transcript.seek(seconds));
}

function save(url, name) {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}

async function download(format) {
  try {
    const text = format === "json" ? `${JSON.stringify(state.shown, null, 2)}\n` : await api.render(state.shown, format);
    const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    save(url, `${(state.shown.file ?? "audio").replace(/\.[^.]+$/, "")}.${format}`);
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  } catch (failure) {
    fail(failure.message);
  }
}

$("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = ""; // the same file may be chosen again
  if (file) { choose(file); start(); }
});
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => { event.preventDefault(); $("drop").classList.add("over"); });
}
for (const name of ["dragleave", "drop"]) {
  document.addEventListener(name, (event) => { event.preventDefault(); $("drop").classList.remove("over"); });
}
document.addEventListener("drop", (event) => {
  const [file] = event.dataTransfer.files;
  if (file) { choose(file); start(); }
});
$("go").addEventListener("click", start);
$("cancel").addEventListener("click", () => state.running?.abort());
$("task-ner").addEventListener("change", optionsChanged);
$("task-sa").addEventListener("change", optionsChanged);
$("bias").addEventListener("input", () => { slide(); refineSoon(); });
for (const button of $("downloads").querySelectorAll("[data-format]")) {
  button.addEventListener("click", () => download(button.dataset.format));
}
$("download-redacted").addEventListener("click", () => redaction.copy && save(redaction.copy.url, redaction.copy.name));
let resizing = 0;
window.addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(() => state.shown?.sentiment && drawSentiment(state.shown), 150);
});

try {
  const server = await api.info();
  $("model").textContent = `${server.name} ${server.version}`;
  types.start(server.entity_types, server.open_types);
} catch (failure) {
  fail(failure.message);
}
optionsChanged();
