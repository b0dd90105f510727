// Recordings of this page: what is known of each, the order in which they are sent, and the list to choose from.

import { clock } from "./transcript.js";

export const SHORT = 60; // seconds that the server answers at once
const SMALL = 1_000_000; // bytes of a recording that does not say how long it is

export const MEGABYTE = 1e6;

let count = 0;

/** One recording, and everything that was found out about it. */
export class Recording {
  constructor(file, name = file.name) {
    this.id = (count += 1);
    this.file = file; // null: only its result was kept
    this.name = name;
    this.url = file?.size ? URL.createObjectURL(file) : null;
    this.seconds = null;
    this.run = null; // AbortController of what is under way
    this.progress = null; // { stage, share, begun, since, from }
    this.error = null;
    this.job = null; // id on the server
    this.link = null; // { id, text }: what stands under its address
    this.asked = null; // the fields of what is shown, without the bias
    this.results = new Map(); // by bias
    this.names = new Map(); // given to speakers, by id
    this.peaks = null; // of the waveform
  }

  get isShort() {
    return this.seconds === null ? this.file !== null && this.file.size < SMALL : this.seconds <= SHORT;
  }

  get hasResult() {
    return this.results.size > 0;
  }

  begin() {
    this.run?.abort();
    this.error = null;
    this.run = new AbortController();
    this.progress = { stage: "queued", share: 0, begun: Date.now(), since: Date.now(), from: 0 };
    return this.run;
  }

  /** Another stage begins its own clock, from which the time left is reckoned. */
  report(stage, share) {
    const before = this.progress;
    if (stage === before.stage) before.share = share;
    else this.progress = { ...before, stage, share, since: Date.now(), from: share };
  }

  finish(asked, bias, analysis) {
    this.asked = asked;
    this.results = new Map([[bias, analysis]]);
    this.seconds = analysis.duration;
  }

  close() {
    this.run?.abort();
    if (this.url) URL.revokeObjectURL(this.url);
  }
}

/** The length of a file in seconds as the browser knows it; null if it does not. */
export function lengthOf(url) {
  const probe = new Audio();
  probe.preload = "metadata";
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(null), 3000);
    const end = () => {
      clearTimeout(timer);
      resolve(Number.isFinite(probe.duration) ? probe.duration : null);
      probe.removeAttribute("src");
    };
    probe.addEventListener("loadedmetadata", end, { once: true });
    probe.addEventListener("error", end, { once: true });
    probe.src = url;
  });
}

/** Why the server would refuse the recording, said before it is uploaded; null if it would not. */
export function objection({ name, file, seconds: lasts }, { upload_bytes: bytes, seconds }) {
  if (file.size === 0) return `${name} is empty (0 bytes).`;
  if (file.size > bytes) {
    return `${name} has ${Math.ceil(file.size / MEGABYTE)} MB; this server takes ${bytes / MEGABYTE}: compress or cut it.`;
  }
  if (lasts > seconds) return `${name} lasts ${clock(lasts)}; this server takes ${clock(seconds)}: cut it.`;
  return null;
}

/** At most `places` pieces of work at a time, in their order. */
export class Lane {
  constructor(places) {
    this.free = places;
    this.waiting = [];
  }

  async run(work, signal) {
    if (this.free) this.free -= 1;
    else await new Promise((resolve) => this.waiting.push(resolve));
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free += 1;
    }
  }
}

const STAGES = {
  queued: "Waiting",
  uploading: "Uploading",
  waiting: "Waiting for other recordings",
  transcribing: "Transcribing",
  unreachable: "The server is away, trying again",
};

/** What is said of a progress: { text, share (null: unknown), time }. */
export function progressOf({ stage, share, begun, since, from }, now = Date.now()) {
  const known = share > 0 && (stage === "uploading" || stage === "transcribing");
  const text = known ? `${STAGES[stage]} ${Math.round(100 * share)} %` : STAGES[stage];
  const elapsed = (now - begun) / 1000;
  const done = share - from;
  // From the pace of this stage; the first moments say nothing about it.
  const left = known && done > 0.02 && now - since > 2000 ? ((now - since) / 1000) * ((1 - share) / done) : null;
  const time = left === null ? clock(elapsed) : `${clock(elapsed)}, about ${clock(Math.ceil(left))} left`;
  return { text, share: known ? share : null, time };
}

/** The list; `choose` and `remove` are called with a recording. */
export class RecordingList {
  constructor(box, choose, remove) {
    this.box = box;
    this.choose = choose;
    this.remove = remove;
  }

  draw(recordings, current) {
    this.box.hidden = recordings.length < 2;
    const focused = document.activeElement?.closest?.("#recordings button");
    const again = focused && { id: focused.parentElement.dataset.id, name: focused.className };
    this.box.replaceChildren(...recordings.map((one) => this.row(one, one === current)));
    if (again) this.box.querySelector(`[data-id="${again.id}"] .${again.name}`)?.focus({ preventScroll: true });
  }

  row(recording, isCurrent) {
    const row = document.createElement("li");
    row.dataset.id = recording.id;
    const name = document.createElement("button");
    name.type = "button";
    name.className = "name";
    if (isCurrent) name.setAttribute("aria-current", "true");
    const state = document.createElement("span");
    state.className = recording.error ? "state bad" : "state quiet";
    state.textContent = stateOf(recording);
    const title = document.createElement("span");
    title.className = "title";
    title.textContent = recording.name;
    name.append(title, state);
    name.addEventListener("click", () => this.choose(recording));
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "remove";
    remove.textContent = "×";
    remove.setAttribute("aria-label", `Remove ${recording.name}`);
    remove.addEventListener("click", () => this.remove(recording));
    row.append(name, remove);
    return row;
  }
}

function stateOf(recording) {
  if (recording.run) return progressOf(recording.progress).text;
  if (recording.error) return "failed";
  return recording.hasResult ? clock(recording.seconds) : "cancelled";
}
