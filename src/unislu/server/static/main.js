// The page: recordings that were chosen, what is asked of the server, what is shown of the one that is looked at.

import * as api from "./api.js";
import { choosing } from "./choosing.js";
import { drawEntities, drawLegend, startOf, sureEnough } from "./entities.js";
import { askKey } from "./key.js";
import { Options, shownBias, withBias } from "./options.js";
import { Recorder } from "./recorder.js";
import { Lane, lengthOf, MEGABYTE, objection, progressOf, Recording, RecordingList } from "./recordings.js";
import { Redaction } from "./redaction.js";
import { nearest, Refinement } from "./refinement.js";
import { Search } from "./search.js";
import { drawShares, drawTimeline } from "./sentiment.js";
import { addressOf, copy, download, drawLink, jobOfAddress, share, showAddress } from "./sharing.js";
import { named, Speakers, turnsOf } from "./speakers.js";
import { Tabs } from "./tabs.js";
import { clock, Transcript } from "./transcript.js";
import { hueOf } from "./types.js";
import { peaksOf, Waveform } from "./waveform.js";

const $ = (id) => document.getElementById(id);

let server = { limits: { upload_bytes: Infinity, seconds: Infinity } };
let current = null; // the recording that is looked at
let recordings = [];
let shown = null; // its result with the chosen bias
const hidden = new Set(); // types that are not marked
const lanes = { short: new Lane(4), long: new Lane(2) };

const audio = $("audio");
const transcript = new Transcript($("text"), audio);
const waveform = new Waveform($("waveform"), audio);
const search = new Search($("search"), transcript);
const speakers = new Speakers($("lanes"), rename, (seconds) => transcript.seek(seconds));
const options = new Options(drawAsk, () => refinement.slide());
const list = new RecordingList($("recordings"), open, close);
const redaction = new Redaction(
  () => ({ file: current.file, fields: withBias(current.asked, options.bias) }), say, fail,
);
const refinement = new Refinement({
  get recording() { return current; },
  get bias() { return options.bias; },
  show(analysis, isExact, faded) {
    shown = analysis;
    $("refining").hidden = isExact;
    drawResult(faded);
  },
  said: ({ entities }) => say(`${entities.length} entities with bias ${shownBias(options.bias)}.`),
  failed(message) {
    $("refining").hidden = true;
    fail(message);
  },
});
let moveCursor = () => {};
audio.addEventListener("timeupdate", () => moveCursor(audio.currentTime));
const tabs = new Tabs($("tabs"), (panel) => panel === "panel-sentiment" && drawSentiment());
new Recorder($("record"), $("record-text"), (file) => add([file]), fail);

api.onKeyNeeded(askKey);

function fail(message) {
  $("error").textContent = message;
  $("error").hidden = false;
  $("error").scrollIntoView({ block: "nearest" });
}

function say(text) {
  $("status").textContent = text;
}

// Recordings: added, transcribed, looked at, removed.

async function add(files) {
  const fresh = files.map((file) => new Recording(file));
  if (!fresh.length) return;
  recordings = [...recordings, ...fresh];
  for (const one of fresh) start(one);
  open(fresh[0]);
  bringIntoView($("progress-box").hidden ? $("error") : $("progress-box"));
}

async function start(one) {
  const run = one.begin();
  const { fields, bias } = options;
  const report = (stage, share, job) => {
    if (job) one.seconds ??= job.seconds;
    one.report(stage, share);
    drawProgress();
  };
  await attempt(one, run, async () => {
    one.seconds ??= one.url && (await lengthOf(one.url));
    const refused = objection(one, server.limits);
    if (refused) throw new api.Failure(refused);
    const lane = one.isShort ? lanes.short : lanes.long;
    const asked = withBias(fields, bias);
    const ask = one.isShort ? () => api.analyze(one.file, asked, report, run.signal) : () => asJob(one, asked, report, run.signal);
    one.finish(fields, bias, await lane.run(ask, run.signal));
  });
}

async function asJob(one, fields, report, signal) {
  one.job = await api.begin(one.file, fields, report, signal);
  return finishJob(one, report, signal);
}

/** The job's result; the job goes, unless its address was copied meanwhile. */
async function finishJob(one, report, signal) {
  const id = one.job;
  try {
    const analysis = await api.follow(id, report, signal);
    if (one.link) one.link.text = JSON.stringify(analysis);
    return analysis;
  } finally {
    one.job = null;
    api.forgetOwn(id);
  }
}

/** Do what is under way for a recording, and show how it ended. */
async function attempt(one, run, work) {
  draw();
  try {
    await work();
  } catch (failure) {
    if (failure.name !== "AbortError") one.error = failure.message;
    else if (one === current) say("Cancelled.");
  }
  if (one.run !== run) return; // asked again meanwhile
  one.run = null;
  if (one !== current) return drawList();
  if (one.error) {
    draw();
    $("error").scrollIntoView({ block: "nearest" });
  } else {
    open(one);
    if (one.hasResult) announce();
  }
}

function announce() {
  const { entities, duration } = shown;
  const found = !entities ? "Transcript" : entities.length === 1 ? "1 entity" : `${entities.length} entities`;
  say(`${found} in ${duration < 60 ? `${Math.round(duration)} s` : clock(duration)} of audio.`);
  bringIntoView($("shown"));
  $("result").focus({ preventScroll: true });
  if (!recordings.some((one) => one.run)) refinement.tryAhead();
}

/** Open the result of a job by its address. */
async function openJob(id) {
  const known = recordings.find((one) => one.link?.id === id);
  if (known) return open(known);
  const one = new Recording(null, "Shared result");
  one.job = id;
  one.link = { id, text: null };
  recordings = [...recordings, one];
  open(one);
  const run = one.begin();
  const report = (stage, share, job) => {
    one.name = job?.file ?? one.name;
    one.report(stage, share);
    draw();
  };
  await attempt(one, run, async () => {
    try {
      const analysis = await finishJob(one, report, run.signal);
      one.name = analysis.file ?? one.name;
      one.finish(null, 0, analysis);
    } catch (failure) {
      if (failure.status === 404) throw new api.Failure("There is no result under this address: it was deleted or has expired.");
      throw failure;
    }
  });
}

/** Look at a recording. */
function open(one) {
  const another = one !== current;
  current = one;
  if (another) {
    hidden.clear();
    $("threshold").value = 0;
    $("threshold-value").textContent = "0 %";
    search.clear();
  }
  listenTo(one.hasResult ? one.url : null);
  redaction.forget();
  showAddress(one.link?.id ?? null);
  shown = nearest(one.results, options.bias)?.[1] ?? null;
  $("refining").hidden = true;
  draw();
  if (shown) drawResult();
  if (shown && one.file && !one.peaks) drawPeaks(one);
}

function listenTo(url) {
  if (audio.getAttribute("src") === url) return;
  for (const player of [audio, $("before")]) {
    if (url) player.src = url;
    else player.removeAttribute("src");
    player.load();
  }
}

function close(one) {
  one.close();
  recordings = recordings.filter((other) => other !== one);
  if (one === current) open(recordings.at(-1));
  else drawList();
}

async function drawPeaks(one) {
  one.peaks = await peaksOf(one.file, one.seconds);
  if (one === current && shown) drawWaveform(visible());
}

// Drawing: everything that is seen follows from the recording that is looked at and from the options.

/** The result as it is shown and downloaded: sure enough entities, the names that were given. */
function visible() {
  return sureEnough(named(shown, current.names), Number($("threshold").value));
}

function draw() {
  const has = Boolean(current?.hasResult && !current.run); // nothing of before stands under what is under way
  const size = current?.file?.size;
  const weight = size === undefined ? "" : ` · ${(size / MEGABYTE).toFixed(size < MEGABYTE ? 2 : 1)} MB`;
  $("chosen").hidden = !current;
  $("chosen").textContent = current ? `${current.name}${weight}` : "";
  $("error").hidden = !current?.error;
  $("error").textContent = current?.error ?? "";
  $("shown").hidden = !has;
  $("empty").hidden = has || Boolean(current?.run || current?.error);
  drawProgress();
  drawAsk();
}

function drawList() {
  list.draw(recordings, current);
}

function drawProgress() {
  drawList();
  const run = current?.run;
  $("progress-box").hidden = !run;
  if (!run) return;
  const { text, share, time } = progressOf(current.progress);
  $("progress-label").textContent = text;
  $("progress-time").textContent = time;
  if (share === null) $("progress").removeAttribute("value");
  else $("progress").value = share;
  $("keep").hidden = !current.job || !server.keep_days;
}

setInterval(() => recordings.some((one) => one.run) && drawProgress(), 1000);

/** A file is analysed as soon as it is chosen: the button is for what changed since then, or went wrong. */
function drawAsk() {
  const differs = Boolean(current?.hasResult) && JSON.stringify(options.fields) !== JSON.stringify(current.asked);
  $("go").disabled = !options.complete;
  $("go").textContent = differs ? "Analyse again" : "Analyse";
  $("go-box").hidden = !current?.file || current.run !== null || (current.hasResult && !current.error && !differs);
}

function drawResult(faded = () => false) {
  const analysis = visible();
  const entities = (analysis.entities ?? []).filter((entity) => !faded(entity));
  speakers.draw(analysis);
  transcript.draw(analysis, { hidden, faded, nameOf: speakers.nameOf, tintOf: speakers.tintOf });
  search.look(false);
  tabs.hide({
    "tab-entities": analysis.entities === null,
    "tab-sentiment": analysis.sentiment === null,
    "tab-speakers": !analysis.speakers,
    "tab-redact": !shown.entities?.length || !current.file,
  });
  $("speaker-count").textContent = analysis.speakers?.length ?? "";
  $("downloads").querySelector("[data-format=rttm]").parentElement.hidden = !analysis.speakers?.length || !writes("rttm");
  $("downloads").querySelector("[data-format=conll]").parentElement.hidden = analysis.entities === null || !writes("conll");
  drawLegend(entities, hidden, (type) => {
    if (!hidden.delete(type)) hidden.add(type);
    drawResult(faded);
  });
  drawEntities(analysis, entities, shown.entities?.length ?? 0, speakers.nameOf, (seconds) => transcript.seek(seconds));
  redaction.draw(shown.entities ?? []);
  drawHint(analysis);
  drawSentiment();
  drawWaveform(analysis);
  drawShare();
}

const writes = (format) => server.formats?.includes(format);

function drawHint(analysis) {
  const click = !transcript.words.length || !current.file
    ? ""
    : transcript.timed ? "Click a word to hear it." : "Click a word to hear its segment: this model gives no word times.";
  const language = analysis.language ? languageName(analysis.language) : null;
  $("hint").textContent = [click, [analysis.model, language].filter(Boolean).join(", ")].filter(Boolean).join(" · ");
  $("warnings").replaceChildren(
    ...analysis.warnings.map((warning) => Object.assign(document.createElement("li"), { textContent: warning })),
  );
}

function drawSentiment() {
  if (!shown?.sentiment) return;
  $("mood").textContent = shown.sentiment.label;
  drawShares($("shares"), shown.sentiment);
  moveCursor = drawTimeline($("timeline"), shown, (seconds) => transcript.seek(seconds));
}

function drawWaveform(analysis) {
  const turns = turnsOf(analysis).map(({ speaker, start, end }) => ({ start, end, color: speakers.hueOf(speaker) }));
  const marks = (analysis.entities ?? []).filter(({ type }) => !hidden.has(type));
  const entities = marks.map((entity) => ({ start: startOf(analysis, entity), color: hueOf(entity.type) }));
  waveform.show(analysis.duration, current.peaks, turns, entities);
  audio.hidden = !current.file;
  $("no-audio").hidden = Boolean(current.file);
}

function drawShare() {
  $("share").hidden = !server.keep_days;
  drawLink(current, server.keep_days);
}

function rename(id, name) {
  current.names.set(id, name);
  drawResult();
}

function bringIntoView(element) {
  const { top } = element.getBoundingClientRect();
  if (top < 0 || top > window.innerHeight / 2) element.scrollIntoView({ block: "start" });
}

const languageName = (code) => new Intl.DisplayNames(["en"], { type: "language" }).of(code);

// What people do.

choosing(add, fail);
$("go").addEventListener("click", () => start(current));
$("cancel").addEventListener("click", () => {
  if (current.job && current.link?.id === current.job) {
    api.forget(current.job).catch(() => {});
    current.link = null;
    showAddress(null);
  }
  current.run?.abort();
});
$("keep").addEventListener("click", () => {
  api.letStay(current.job);
  current.link = { id: current.job, text: null };
  showAddress(current.job);
  copy(addressOf(current.job), $("keep"));
});
$("threshold").addEventListener("input", () => {
  $("threshold-value").textContent = `${Math.round(100 * $("threshold").value)} %`;
  drawResult();
});
$("copy").addEventListener("click", () => copy(transcript.plain(speakers.nameOf), $("copy")));
$("share").addEventListener("click", async () => {
  try {
    showAddress(await share(current, visible()));
    drawShare();
    await copy(addressOf(current.link.id), $("share"));
  } catch (failure) {
    fail(failure.message);
  }
});
$("unshare").addEventListener("click", async () => {
  try {
    await api.forget(current.link.id);
    current.link = null;
    showAddress(null);
    drawShare();
    say("The link was deleted.");
  } catch (failure) {
    fail(failure.message);
  }
});
for (const button of $("downloads").querySelectorAll("[data-format]")) {
  button.addEventListener("click", () => download(visible(), button.dataset.format).catch((failure) => fail(failure.message)));
}
let resizing = 0;
window.addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(drawSentiment, 150);
});
window.addEventListener("hashchange", () => jobOfAddress() && openJob(jobOfAddress()));

try {
  server = await api.info();
  $("model").textContent = [`${server.name} ${server.version}`, server.languages.map(languageName).join(", ")].join(" · ");
  options.start(server);
  if (jobOfAddress()) openJob(jobOfAddress());
} catch (failure) {
  fail(failure.message);
}
draw();
