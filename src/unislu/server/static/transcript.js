// The transcript: words that can be played, entities in colour. Offsets of results count Unicode characters.

import { tint } from "./types.js";
import { focusable, reachable } from "./words.js";

export const clock = (seconds) => {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (!parts[0]) parts.shift();
  return parts.map((part, n) => (n ? String(part).padStart(2, "0") : part)).join(":");
};

/** Words with times; where the model gives none, each word has those of its segment. */
export function wordsOf(analysis) {
  const words = [];
  for (const segment of analysis.segments) {
    if (segment.words) {
      for (const word of segment.words) words.push({ ...word, speaker: word.speaker ?? segment.speaker });
      continue;
    }
    let place = segment.start_char;
    for (const piece of segment.text.split(/(\s+)/)) {
      const length = [...piece].length;
      if (piece.trim()) {
        const { start, end, speaker } = segment;
        words.push({ text: piece, start, end, speaker, start_char: place, end_char: place + length });
      }
      place += length;
    }
  }
  return words;
}

/** Who speaks, by the first character of each line: lines begin with segments, and where the speaker changes. */
function linesOf(analysis, words) {
  const starts = new Map();
  const channels = new Set(analysis.segments.filter((one) => one.text.trim()).map((one) => one.channel ?? null));
  for (const { text, start, start_char, speaker, channel } of analysis.segments) {
    const who = speaker ?? (channels.size > 1 ? `Channel ${channel + 1}` : null);
    if (text.trim()) starts.set(start_char, { start, who });
  }
  let who = null;
  for (const { start, start_char, speaker } of words) {
    const line = starts.get(start_char);
    if (line) line.who = who = speaker ?? line.who;
    else if (speaker && speaker !== who) starts.set(start_char, { start, who: (who = speaker) });
  }
  return starts;
}

export class Transcript {
  constructor(box, audio) {
    this.box = box;
    this.audio = audio;
    this.words = [];
    this.pieces = [];
    this.lines = [];
    this.now = -1;
    reachable(box, audio, this);
    audio.addEventListener("timeupdate", () => this.follow());
    audio.addEventListener("seeked", () => this.follow());
  }

  /**
   * `hidden`: types that are not marked. `faded`: entities that will probably go. `nameOf`, `tintOf`: the name of a
   * speaker, and its colour given to an element.
   */
  draw(analysis, { hidden = new Set(), faded = () => false, nameOf = (who) => who, tintOf = (element) => element } = {}) {
    const characters = [...(analysis.text ?? "")];
    this.words = wordsOf(analysis);
    this.timed = analysis.segments.some((segment) => segment.words?.length);
    const entities = analysis.entities ?? [];
    const starts = linesOf(analysis, this.words);
    const cuts = new Set([0, characters.length, ...starts.keys()]);
    for (const span of [...this.words, ...entities]) cuts.add(span.start_char).add(span.end_char);
    const edges = [...cuts].sort((a, b) => a - b);
    this.pieces = this.words.map(() => []);
    this.lines = [];
    const out = document.createDocumentFragment();
    let line = null;
    let word = 0;
    let entity = 0;
    let mark = null;
    edges.slice(0, -1).forEach((start, n) => {
      const end = edges[n + 1];
      if (starts.has(start) || !line) {
        const { start: seconds, who } = starts.get(start) ?? { start: 0, who: null };
        line = this.line(starts.size > 1 ? seconds : null, who, nameOf, tintOf);
        out.append(line);
        mark = null; // an entity that goes on here is marked in both lines
      }
      while (word < this.words.length && this.words[word].end_char <= start) word += 1;
      while (entity < entities.length && entities[entity].end_char <= start) entity += 1;
      const text = characters.slice(start, end).join("");
      this.lines.at(-1).text += text;
      const inside = entities[entity]?.start_char <= start ? entities[entity] : null;
      if (inside && mark?.entity !== inside) {
        mark = this.mark(inside, hidden, faded);
        line.append(mark);
      }
      const parent = inside ? mark : line;
      if (this.words[word]?.start_char <= start) parent.append(this.piece(text, word));
      else parent.append(text);
      if (inside && end === inside.end_char) mark.append(this.label(inside));
    });
    const empty = document.createElement("em");
    empty.textContent = "No speech was found.";
    this.box.replaceChildren(characters.length ? out : empty);
    focusable(this.box, this.pieces[0]?.[0]);
    this.now = -1;
    this.follow();
  }

  /** A line, with its time where there are several, and its speaker's name where that is another than before. */
  line(seconds, who, nameOf, tintOf) {
    const line = document.createElement("p");
    line.className = who === null || who === undefined ? "line" : "line spoken";
    if (seconds !== null) {
      const stamp = document.createElement("span");
      stamp.className = "seg";
      stamp.textContent = clock(seconds);
      line.append(stamp);
    }
    if (who !== null && who !== undefined) {
      tintOf(line, who);
      if (this.lines.at(-1)?.who !== who) {
        const name = document.createElement("span");
        name.className = "who";
        name.textContent = nameOf(who);
        line.append(name);
      }
    }
    this.lines.push({ who: who ?? null, text: "" });
    return line;
  }

  /** The transcript as text: a line a segment or speaker. */
  plain(nameOf) {
    return this.lines.map(({ who, text }) => (who === null ? text.trim() : `${nameOf(who)}: ${text.trim()}`)).join("\n");
  }

  /** Mark the words of these ranges, first and last. */
  highlight(ranges) {
    for (const piece of this.box.querySelectorAll(".hit")) piece.classList.remove("hit", "here");
    for (const [first, last] of ranges) this.each(first, last, (piece) => piece.classList.add("hit"));
  }

  /** Show one of the marked ranges. */
  point([first, last]) {
    for (const piece of this.box.querySelectorAll(".here")) piece.classList.remove("here");
    this.each(first, last, (piece) => piece.classList.add("here"));
    focusable(this.box, this.pieces[first]?.[0]);
    this.bring(this.pieces[first][0]);
  }

  each(first, last, act) {
    for (let word = first; word <= last; word += 1) this.pieces[word].forEach(act);
  }

  /** Scroll inside the box, and only there, until the piece is seen. */
  bring(piece) {
    if (!piece) return;
    const [at, box] = [piece.getBoundingClientRect(), this.box.getBoundingClientRect()];
    if (at.top < box.top + 8 || at.bottom > box.bottom - 8) this.box.scrollTop += at.top - box.top - box.height / 3;
  }

  mark(entity, hidden, faded) {
    const mark = tint(document.createElement("mark"), entity.type);
    mark.entity = entity;
    if (hidden.has(entity.type) || faded(entity)) mark.className = "off";
    const sure = entity.confidence == null ? "" : `, ${Math.round(100 * entity.confidence)} % sure`;
    mark.title = `${entity.type}${sure}`;
    return mark;
  }

  label(entity) {
    const label = document.createElement("small");
    label.textContent = entity.type;
    return label;
  }

  piece(text, word) {
    const piece = document.createElement("span");
    piece.className = "w";
    piece.textContent = text;
    piece.dataset.word = word;
    piece.tabIndex = -1;
    piece.setAttribute("role", "button");
    this.pieces[word].push(piece);
    return piece;
  }

  play(word) {
    focusable(this.box, this.pieces[word]?.[0]);
    this.seek(this.words[word].start);
  }

  seek(seconds) {
    if (!this.audio.src) return; // only the result was kept
    this.audio.currentTime = seconds;
    this.audio.play().catch(() => {});
  }

  /** Highlight the word that is being said. */
  follow() {
    const time = this.audio.currentTime + 0.05;
    const now = !this.timed || (this.audio.paused && !this.audio.currentTime)
      ? -1
      : this.words.findIndex((word) => word.start <= time && time < word.end);
    if (now === this.now) return;
    for (const piece of this.pieces[this.now] ?? []) piece.classList.remove("now");
    for (const piece of this.pieces[now] ?? []) piece.classList.add("now");
    if (!this.audio.paused) this.bring(this.pieces[now]?.[0]);
    this.now = now;
  }
}
