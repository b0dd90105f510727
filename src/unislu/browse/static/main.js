// The page: what is asked lives in its address, so that Back, Reload and a bookmark give the same.

import { drawCounts, drawShares, drawTime } from "./charts.js";
import { ask, byId, clock, count, make, percent, recordings, sentence, tint, tone } from "./dom.js";
import { Recording } from "./recording.js";

const PAGE = 50;
const PAUSE = 250; // milliseconds without a key before a search
const LOOK = 10_000; // milliseconds between looks at the folder
const ONE = ["q", "speaker", "entity", "from", "to", "sort"];
const SHARES = ["certainty", "confidence"];
const MANY = { sentiments: "sentiment", types: "type" };

const form = byId("filters");
const shown = new Recording();
let overview = null;
let total = 0;
let course = null; // the recordings over time that are shown
let running = null; // the request of the list
let waiting = 0; // the timer of the next one
let openedFromList = false;

// ---- what is asked ----

/** The parameters of the form, without those that filter nothing. */
function asked() {
  const given = [];
  for (const name of ONE) {
    const { value } = form.elements[name];
    if (value.trim() && !(name === "sort" && value === "newest")) given.push([name, value]);
  }
  for (const name of SHARES) if (Number(form.elements[name].value)) given.push([name, form.elements[name].value]);
  for (const [box, name] of Object.entries(MANY)) {
    for (const one of byId(box).querySelectorAll("input:checked")) given.push([name, one.value]);
  }
  if (form.elements.failed.checked) given.push(["failed", "1"]);
  return given;
}

/** Write the address's parameters into the form. */
function fill(parameters) {
  for (const name of ONE) form.elements[name].value = parameters.get(name) ?? (name === "sort" ? "newest" : "");
  for (const name of SHARES) form.elements[name].value = parameters.get(name) ?? "0";
  for (const [box, name] of Object.entries(MANY)) {
    const chosen = parameters.getAll(name);
    for (const one of byId(box).querySelectorAll("input")) one.checked = chosen.includes(one.value);
  }
  form.elements.failed.checked = parameters.get("failed") === "1";
  describe();
}

function describe() {
  for (const name of SHARES) byId(`${name}-value`).textContent = percent(Number(form.elements[name].value));
  const filters = asked().filter(([name]) => name !== "q" && name !== "sort").length;
  byId("active").textContent = filters ? `${filters} on` : "";
}

function address(parameters) {
  const text = new URLSearchParams(parameters).toString();
  return text ? `?${text}` : location.pathname;
}

const place = () => new URLSearchParams(location.search);

/** Search for what the form says. A new question is a new entry of the history only once it is left. */
function change({ soon = false } = {}) {
  describe();
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    history.replaceState(null, "", address(asked()));
    list();
  }, soon ? PAUSE : 0);
}

// ---- the list ----

async function list() {
  running?.abort();
  running = new AbortController();
  const parameters = asked();
  const offset = place().get("offset");
  if (offset) parameters.push(["offset", offset]);
  const { signal } = running;
  byId("results").setAttribute("aria-busy", "true");
  try {
    const answer = await ask(`api/search?${new URLSearchParams(parameters)}`, { signal });
    complain(null);
    draw(answer, Number(offset ?? 0));
  } catch (error) {
    if (error.name !== "AbortError") complain(error.message);
  } finally {
    if (running.signal === signal) byId("results").removeAttribute("aria-busy");
  }
}

function draw(answer, offset) {
  total = answer.total;
  const line = `${recordings(total)} · ${answer.hours < 1 ? `${Math.round(answer.hours * 60)} min` : `${count(Math.round(answer.hours))} h`}`;
  byId("total").textContent = line;
  byId("status").textContent = line;
  course = answer.time;
  drawCourse();
  drawShares(byId("shares"), answer.sentiments);
  drawCounts(byId("counts"), answer.entities, (entity) => {
    form.elements.entity.value = entity.text;
    for (const one of byId("types").querySelectorAll("input")) one.checked = one.value === entity.type;
    change();
  });
  const query = new URLSearchParams(asked());
  byId("save-recordings").href = `api/recordings.csv?${query}`;
  byId("save-mentions").href = `api/mentions.csv?${query}`;
  for (const link of document.querySelectorAll("#save .button")) link.setAttribute("aria-disabled", total === 0);
  byId("clips-note").textContent = total > overview.max_clips ? `the first ${overview.max_clips} clips` : "";
  byId("list").replaceChildren(...(total ? answer.rows.map(item) : [nothing()]));
  byId("pages").hidden = total <= PAGE;
  byId("page").textContent = `${count(Math.min(total, offset + 1))}–${count(Math.min(total, offset + PAGE))} of ${count(total)}`;
  byId("previous").disabled = offset === 0;
  byId("next").disabled = offset + PAGE >= total;
}

/** The chart has the width that there is, so that its letters are not stretched. */
function drawCourse() {
  if (!course) return;
  byId("unit").textContent = `by ${course.unit}`;
  drawTime(byId("time"), course, (from, to) => {
    form.elements.from.value = from;
    form.elements.to.value = to;
    change();
  });
}

function nothing() {
  const text = overview.recordings + overview.failed
    ? "Nothing fits. Fewer words or filters find more; deliver* finds delivery and delivered."
    : "No recordings yet. `unislu batch` may be at the first ones: Refresh shows them as they come.";
  return make("li", { className: "empty quiet" }, text);
}

function item(row) {
  const name = make("button", { type: "button", className: "name" }, row.name);
  name.addEventListener("click", () => open(row.id, null));
  const mood = row.sentiment && make("span", { className: "mood quiet" }, make("i", { className: `dot ${tone(row.sentiment.label)}` }), `${row.sentiment.label} ${percent(row.sentiment.score)}`);
  const facts = [row.day, row.duration === null ? null : clock(row.duration), row.matches > row.snippets.length ? `${row.matches} matches` : null];
  const made = make("li", {}, make("div", { className: "head" }, name, ...facts.filter(Boolean).map((fact) => make("span", { className: "quiet" }, fact)), mood));
  if (row.error) made.append(make("p", { className: "notes" }, row.error.message));
  made.append(...row.snippets.map((snippet) => quote(row, snippet)));
  if (row.entities.length) {
    const chips = row.entities.map((one) => make("li", {}, tint(make("span", { className: "chip" }, one.text, make("small", {}, one.type)), one.type)));
    if (row.more_entities) chips.push(make("li", { className: "quiet" }, `${row.more_entities} more`));
    made.append(make("ul", { className: "chips" }, ...chips));
  }
  return made;
}

/** Some of the transcript; where something matches, it is a button that plays it. */
function quote(row, { at, pieces }) {
  const content = pieces.map((piece) => (piece.match ? make("span", { className: "hit" }, piece.text) : piece.text));
  if (at === null) return make("p", { className: "snippet" }, ...content);
  const button = make("button", { type: "button", className: "snippet" }, make("span", { className: "play", ariaHidden: "true" }, "▶"), ...content);
  button.addEventListener("click", () => open(row.id, at));
  return button;
}

// ---- one recording ----

function open(id, at) {
  const parameters = [...place(), ["recording", id], ...(at === null ? [] : [["at", at]])];
  history.pushState(null, "", address(parameters));
  openedFromList = true;
  show();
}

/** Show what the address says: the list or a recording. */
async function show() {
  const parameters = place();
  const id = parameters.get("recording");
  const at = parameters.get("at");
  for (const name of ["recording", "at"]) parameters.delete(name);
  fill(parameters);
  byId("search-view").hidden = id !== null;
  byId("recording-view").hidden = id === null;
  if (id === null) {
    shown.close();
    await list();
    return;
  }
  try {
    await shown.open(id, asked(), at === null ? null : Number(at));
    complain(null);
  } catch (error) {
    complain(error.message);
    byId("recording-view").hidden = true;
    byId("search-view").hidden = false;
    list();
  }
}

function back() {
  if (openedFromList) {
    history.back();
    return;
  }
  const parameters = place();
  for (const name of ["recording", "at"]) parameters.delete(name);
  history.replaceState(null, "", address(parameters));
  show();
}

// ---- the folder ----

function choices(box, kind, entries) {
  const chosen = [...box.querySelectorAll("input:checked")].map((one) => one.value);
  box.replaceChildren(
    ...entries.map(({ name, count: number }) =>
      make("label", { className: "check" }, make("input", { type: "checkbox", name: kind, value: name, checked: chosen.includes(name) }), name, make("span", { className: "count" }, count(number)))),
  );
}

const SOURCES = { name: "the file's name", file: "the file's own time", run: "the time of the run" };

/** What there is to choose from. */
async function learn() {
  overview = await ask("api/overview");
  byId("folder").textContent = overview.folder;
  choices(byId("types"), "type", overview.types);
  choices(byId("sentiments"), "sentiment", overview.sentiments);
  byId("sentiment-box").hidden = !overview.sentiments.length;
  byId("entity-box").hidden = !overview.types.length;
  byId("speaker-box").hidden = !overview.speakers.length;
  const { value } = form.elements.speaker;
  const speakers = overview.speakers.map(({ name, count: number }) => make("option", { value: name }, `${name} (${count(number)})`));
  form.elements.speaker.replaceChildren(make("option", { value: "" }, "anybody"), ...speakers);
  form.elements.speaker.value = value;
  for (const name of ["from", "to"]) Object.assign(form.elements[name], { min: overview.first ?? "", max: overview.last ?? "" });
  const sources = Object.entries(overview.days_from).sort((a, b) => b[1] - a[1]);
  byId("days-from").textContent = sources.length ? `dates from ${sources.map(([name, number]) => `${SOURCES[name]}${sources.length > 1 ? ` (${count(number)})` : ""}`).join(", ")}` : "";
  byId("failed-box").hidden = !overview.failed;
  byId("failed-text").textContent = `the ${overview.failed === 1 ? "one" : count(overview.failed)} that failed`;
  byId("notes").hidden = !overview.notes.length;
  byId("notes").replaceChildren(...overview.notes.map((note) => make("li", {}, note)));
}

async function refresh() {
  byId("refresh").disabled = true;
  try {
    await ask("api/refresh", { method: "POST" });
    const parameters = place();
    await learn();
    for (const name of ["recording", "at"]) parameters.delete(name);
    fill(parameters);
    fresh(false);
    if (!byId("search-view").hidden) await list();
  } catch (error) {
    complain(error.message);
  } finally {
    byId("refresh").disabled = false;
  }
}

function fresh(stale) {
  byId("refresh").classList.toggle("primary", stale);
  const text = stale ? "New results: refresh" : "Refresh";
  if (byId("refresh").textContent !== text) byId("refresh").textContent = text;
}

async function look() {
  if (document.hidden) return;
  try {
    fresh((await ask("api/state")).stale);
  } catch {
    // The next thing that somebody asks for says it.
  }
}

function complain(message) {
  byId("error").hidden = !message;
  byId("error").textContent = message ?? "";
}

/** Clips take a while, and may fail: fetched here, so that either is seen. */
async function saveClips(event) {
  event.preventDefault();
  const link = byId("save-clips");
  if (link.getAttribute("aria-disabled") === "true") return;
  link.setAttribute("aria-disabled", "true");
  link.textContent = "Cutting…";
  try {
    const answer = await fetch(`api/clips.zip?${new URLSearchParams([...asked(), ["around", byId("around").value]])}`);
    if (!answer.ok) throw new Error(await sentence(answer));
    const url = URL.createObjectURL(await answer.blob());
    make("a", { href: url, download: "clips.zip" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    complain(null);
  } catch (error) {
    complain(error.message);
  } finally {
    link.textContent = "Clips, zip";
    link.setAttribute("aria-disabled", "false");
  }
}

form.addEventListener("submit", (event) => { event.preventDefault(); change(); });
form.addEventListener("input", (event) => change({ soon: event.target.type === "search" || event.target.type === "range" }));
form.addEventListener("reset", () => setTimeout(() => change()));
byId("sort").addEventListener("change", () => change());
for (const [id, step] of [["previous", -PAGE], ["next", PAGE]]) {
  byId(id).addEventListener("click", () => {
    const offset = Math.max(0, Number(place().get("offset") ?? 0) + step);
    history.pushState(null, "", address([...asked(), ...(offset ? [["offset", offset]] : [])]));
    list();
    byId("results").focus();
  });
}
byId("refresh").addEventListener("click", refresh);
byId("back").addEventListener("click", back);
byId("save-clips").addEventListener("click", saveClips);
for (const link of document.querySelectorAll("#save a[download]:not(#save-clips)")) {
  link.addEventListener("click", (event) => { if (link.getAttribute("aria-disabled") === "true") event.preventDefault(); });
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !byId("recording-view").hidden) back();
});
window.addEventListener("popstate", () => { openedFromList = false; show(); });
for (const id of ["more", "charts-box", "save"]) byId(id).open = window.matchMedia("(min-width: 52.01rem)").matches;
let width = 0;
new ResizeObserver(() => {
  if (byId("time").clientWidth === width) return;
  width = byId("time").clientWidth;
  drawCourse();
}).observe(byId("time"));

try {
  await learn();
  await show();
  setInterval(look, LOOK);
} catch (error) {
  complain(error.message);
}
