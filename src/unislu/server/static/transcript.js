// The transcript: words that can be played, entities in colour. Offsets of results count Unicode characters.

import { tint } from "./types.js";

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
      words.push(...segment.words);
      continue;
    }
    let place = segment.start_char;
    for (const piece of segment.text.split(/(\s+)/)) {
      const length = [...piece].length;
      if (piece.trim()) {
        words.push({ text: piece, start: segment.start, end: segment.end, start_char: place, end_char: place + length });
      }
      place += length;
    }
  }
  return words;
}

export class Transcript {
  constructor(box, audio) {
    this.box = box;
    this.audio = audio;
    this.words = [];
    this.pieces = [];
    this.now = -1;
    box.addEventListener("click", (event) => {
      const piece = event.target.closest("[data-word]");
      if (piece && !window.getSelection().toString()) this.play(Number(piece.dataset.word));
    });
    box.addEventListener("keydown", (event) => this.key(event));
    audio.addEventListener("timeupdate", () => this.follow());
    audio.addEventListener("seeked", () => this.follow());
  }

  /** `hidden`: types that are not marked. `faded`: entities that will probably go. */
  draw(analysis, hidden = new Set(), faded = () => false) {
    const characters = [...(analysis.text ?? "")];
    this.words = wordsOf(analysis);
    this.timed = analysis.segments.some((segment) => segment.words?.length);
    const spoken = analysis.segments.filter((segment) => segment.text.trim());
    const entities = analysis.entities ?? [];
    const cuts = new Set([0, characters.length]);
    for (const span of [...this.words, ...entities, ...spoken]) cuts.add(span.start_char).add(span.end_char);
    const edges = [...cuts].sort((a, b) => a - b);
    this.pieces = this.words.map(() => []);
    const out = document.createDocumentFragment();
    let word = 0;
    let entity = 0;
    let segment = 0;
    let mark = null;
    edges.slice(0, -1).forEach((start, n) => {
      const end = edges[n + 1];
      if (spoken.length > 1 && segment < spoken.length && spoken[segment].start_char === start) {
        if (segment) out.append(document.createElement("br"));
        const stamp = document.createElement("span");
        stamp.className = "seg";
        stamp.textContent = clock(spoken[segment].start);
        out.append(stamp);
        segment += 1;
      }
      while (word < this.words.length && this.words[word].end_char <= start) word += 1;
      while (entity < entities.length && entities[entity].end_char <= start) entity += 1;
      const text = characters.slice(start, end).join("");
      const inside = entities[entity]?.start_char <= start ? entities[entity] : null;
      if (inside && mark?.entity !== inside) {
        mark = this.mark(inside, hidden, faded);
        out.append(mark);
      }
      const parent = inside ? mark : out;
      if (this.words[word]?.start_char <= start) parent.append(this.piece(text, word));
      else parent.append(text);
      if (inside && end === inside.end_char) mark.append(this.label(inside));
    });
    const empty = document.createElement("em");
    empty.textContent = "No speech was found.";
    this.box.replaceChildren(characters.length ? out : empty);
    this.focusable(0);
    this.now = -1;
    this.follow();
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

  /** One word is in the tab order; arrow keys move it. */
  focusable(word) {
    for (const piece of this.box.querySelectorAll('[tabindex="0"]')) piece.tabIndex = -1;
    const piece = this.pieces[word]?.[0];
    if (piece) piece.tabIndex = 0;
    return piece;
  }

  key(event) {
    const word = Number(event.target.dataset?.word);
    if (Number.isNaN(word)) return;
    const last = this.words.length - 1;
    const to = { ArrowRight: word + 1, ArrowDown: word + 10, ArrowLeft: word - 1, ArrowUp: word - 10, Home: 0, End: last };
    if (event.key in to) {
      event.preventDefault();
      this.focusable(Math.max(0, Math.min(last, to[event.key])))?.focus();
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.play(word);
    } else if (event.key === " ") {
      event.preventDefault();
      if (this.audio.paused) this.audio.play();
      else this.audio.pause();
    }
  }

  play(word) {
    this.focusable(word);
    this.seek(this.words[word].start);
  }

  seek(seconds) {
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
    this.now = now;
  }
}
