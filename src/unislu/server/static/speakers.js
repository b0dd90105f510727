// Speakers: their names and colours, and a lane for each.

import { clock, wordsOf } from "./transcript.js";

const PAUSE = 1.5; // seconds of silence inside a turn

/** Stretches of speech, in order: { speaker (null: not told), start, end }. */
export function turnsOf(analysis) {
  const turns = [];
  for (const { speaker = null, start, end } of wordsOf(analysis)) {
    const last = turns.at(-1);
    if (last && last.speaker === speaker && start - last.end < PAUSE) last.end = Math.max(last.end, end);
    else turns.push({ speaker, start, end });
  }
  return turns;
}

/** The result with the names that were given to its speakers, by their ids. */
export function named(analysis, names) {
  if (!analysis.speakers) return analysis;
  return { ...analysis, speakers: analysis.speakers.map((one) => ({ ...one, name: names.get(one.id) ?? one.name })) };
}

const hueAt = (place) => Math.round((25 + place * 137.508) % 360);

export class Speakers {
  /** `renamed(id, name)` is called when a name was written, `seek(seconds)` when a lane was clicked. */
  constructor(list, renamed, seek) {
    this.list = list;
    this.renamed = renamed;
    this.seek = seek;
    this.hues = new Map();
    this.names = new Map();
  }

  /** What people read for a speaker: the name, or the id where none is known. */
  nameOf = (id) => this.names.get(id) ?? id;

  hueOf = (id) => this.hues.get(id) ?? null;

  tintOf = (element, id) => {
    if (this.hues.has(id)) element.style.setProperty("--hue", this.hues.get(id));
    return element;
  };

  draw(analysis) {
    const all = analysis.speakers ?? [];
    this.hues = new Map(all.map(({ id }, place) => [id, hueAt(place)]));
    this.names = new Map(all.map(({ id, name }) => [id, name || id]));
    const turns = turnsOf(analysis);
    const total = all.reduce((sum, { seconds }) => sum + seconds, 0);
    this.list.replaceChildren(
      ...all.map((one) => this.lane(one, turns.filter(({ speaker }) => speaker === one.id), analysis.duration, total)),
    );
  }

  lane({ id, seconds, sentiment }, turns, duration, total) {
    const row = this.tintOf(document.createElement("li"), id);
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "text";
    input.maxLength = 60;
    input.value = this.nameOf(id);
    input.setAttribute("aria-label", `Name of ${id}`);
    input.addEventListener("change", () => this.renamed(id, input.value.trim() || id));
    label.append(input);
    const share = document.createElement("span");
    share.className = "quiet";
    const part = `${Math.round((100 * seconds) / (total || 1))} %`;
    share.textContent = [clock(seconds), part, sentiment?.label].filter(Boolean).join(" · ");
    const lane = document.createElement("div");
    lane.className = "lane";
    lane.setAttribute("role", "img");
    lane.setAttribute("aria-label", `${this.nameOf(id)} speaks ${turns.length} times`);
    for (const { start, end } of turns) {
      const bar = document.createElement("i");
      bar.style.left = `${(100 * start) / duration}%`;
      bar.style.width = `${(100 * (end - start)) / duration}%`;
      bar.title = `${clock(start)}–${clock(end)}`;
      lane.append(bar);
    }
    lane.addEventListener("click", (event) => {
      const { left, width } = lane.getBoundingClientRect();
      this.seek(((event.clientX - left) / width) * duration);
    });
    row.append(label, share, lane);
    return row;
  }
}
