// One recording: its transcript, whose words can be played, and the matches in it.

import { ask, byId, clock, make, percent, tint, tone } from "./dom.js";
import { focusable, reachable } from "./words.js";

const CLIP = 120; // seconds of audio that are asked for at a time where the browser cannot play the file itself
const LEAD = 0.3; // seconds heard before a match

/** Words with times; where the model gave none, each word has those of its segment. */
function wordsOf(row) {
  if (row.words?.length) return row.words;
  const words = [];
  for (const segment of row.segments ?? []) {
    let place = segment.start_char;
    for (const piece of (segment.text ?? "").split(/(\s+)/)) {
      const length = [...piece].length;
      if (piece.trim()) words.push({ text: piece, start: segment.start, end: segment.end, start_char: place, end_char: place + length });
      place += length;
    }
  }
  return words;
}

export class Recording {
  constructor() {
    this.audio = byId("audio");
    this.text = byId("text");
    this.words = [];
    this.pieces = [];
    this.now = -1;
    this.base = null; // where the clip that is loaded begins, or null if it is the file
    reachable(this.text, this.audio, this);
    this.audio.addEventListener("timeupdate", () => this.follow());
    this.audio.addEventListener("error", () => this.unplayable());
    byId("match-before").addEventListener("click", () => this.go(this.match - 1));
    byId("match-after").addEventListener("click", () => this.go(this.match + 1));
  }

  /** Show a recording; `at`: the character at which to begin to play. */
  async open(id, parameters, at) {
    const row = await ask(`api/recording?${new URLSearchParams([["id", id], ...parameters])}`);
    this.id = id;
    this.row = row;
    this.offset = row.audio.offset;
    this.base = null;
    this.refused = false;
    this.can = row.audio.problem === null && row.error === null;
    byId("name").textContent = row.name;
    this.facts();
    this.player();
    this.draw();
    this.entities();
    const matches = row.matches.map(([start]) => start);
    this.match = Math.max(0, at === null ? 0 : matches.findIndex((start) => start >= at));
    for (const part of ["match-before", "match-at", "match-after"]) byId(part).hidden = !matches.length;
    this.label();
    byId("name").focus({ preventScroll: true });
    window.scrollTo(0, 0);
    if (at !== null && this.words.length) this.go(this.match, at);
  }

  close() {
    this.audio.pause();
    this.audio.removeAttribute("src");
    this.audio.load();
  }

  facts() {
    const { row } = this;
    const mood = row.sentiment && make("span", { className: "mood" }, make("i", { className: `dot ${tone(row.sentiment.label)}` }), `${row.sentiment.label} ${percent(row.sentiment.scores[row.sentiment.label])}`);
    const parts = [row.day, row.duration === null ? "" : clock(row.duration), mood, row.id === row.name ? "" : row.id].filter(Boolean);
    byId("facts").replaceChildren(...parts.flatMap((part, n) => (n ? [" · ", part] : [part])));
    const warnings = [...(row.warnings ?? []), ...(row.error ? [`${row.error.message}`] : [])];
    byId("warnings").hidden = !warnings.length;
    byId("warnings").replaceChildren(...warnings.map((line) => make("li", {}, line)));
  }

  player() {
    this.audio.parentElement.hidden = !this.can;
    byId("no-audio").hidden = row_ok(this.row);
    byId("no-audio").textContent = this.row.audio.problem ?? "";
    if (this.can) this.audio.src = `api/audio?${new URLSearchParams({ id: this.id })}`;
  }

  /** The browser knows no such file: clips in WAV are made of it, from where somebody clicks. */
  unplayable() {
    if (!this.can || !this.audio.getAttribute("src")) return;
    if (this.base !== null) {
      byId("no-audio").hidden = false;
      byId("no-audio").textContent = "This recording cannot be played.";
      return;
    }
    this.refused = true;
    this.load(this.wanted ?? 0, this.wanted !== undefined);
  }

  load(seconds, plays) {
    const start = Math.max(0, Math.min(seconds, this.row.duration - 0.1));
    const end = Math.min(start + CLIP, Math.max(this.row.duration, start + 0.1));
    this.base = start;
    this.audio.src = `api/clip?${new URLSearchParams({ id: this.id, start, end })}`;
    if (plays) this.audio.play().catch(() => {});
  }

  /** Play from a time of the result. */
  seek(seconds) {
    if (!this.can) return;
    this.wanted = seconds;
    if (this.refused) {
      this.load(seconds, true);
      return;
    }
    this.audio.currentTime = seconds + this.offset;
    this.audio.play().catch(() => {});
  }

  get time() {
    return this.base === null ? this.audio.currentTime - this.offset : this.audio.currentTime + this.base;
  }

  play(word) {
    focusable(this.text, this.pieces[word]?.[0]);
    this.seek(this.words[word].start);
  }

  /** The match of that number: seen and heard. */
  go(number, at = null) {
    const matches = this.row.matches;
    if (matches.length) this.match = (number + matches.length) % matches.length;
    const place = at ?? matches[this.match][0];
    this.label();
    const word = Math.max(0, this.words.findIndex((one) => one.end_char > place));
    focusable(this.text, this.pieces[word]?.[0])?.scrollIntoView({ block: "center" });
    this.seek(Math.max(0, this.words[word].start - LEAD));
  }

  label() {
    byId("match-at").textContent = `${this.match + 1} of ${this.row.matches.length}`;
  }

  /** Paragraphs by turn, marks for entities, hits for matches. */
  draw() {
    const { row } = this;
    const characters = [...(row.text ?? "")];
    this.words = wordsOf(row);
    this.pieces = this.words.map(() => []);
    this.now = -1;
    const entities = apart(row.entities ?? []);
    const hits = row.matches.map(([start_char, end_char]) => ({ start_char, end_char }));
    const spoken = (row.segments ?? []).filter((segment) => segment.text?.trim());
    const cuts = new Set([0, characters.length]);
    for (const span of [...this.words, ...entities, ...hits, ...spoken]) cuts.add(span.start_char).add(span.end_char);
    const edges = [...cuts].sort((a, b) => a - b);
    const at = { word: 0, entity: 0, hit: 0, segment: 0 };
    const inside = (list, name, start) => {
      while (at[name] < list.length && list[at[name]].end_char <= start) at[name] += 1;
      return list[at[name]]?.start_char <= start ? list[at[name]] : null;
    };
    let paragraph = make("p");
    let mark = null;
    const out = [paragraph];
    edges.slice(0, -1).forEach((start, n) => {
      const end = edges[n + 1];
      if (at.segment < spoken.length && spoken[at.segment].start_char <= start) {
        const segment = spoken[at.segment];
        if (at.segment) out.push((paragraph = make("p")));
        at.segment += 1;
        const who = row.segment_speakers[row.segments.indexOf(segment)];
        if (spoken.length > 1 || who) paragraph.append(make("span", { className: "stamp" }, `${clock(segment.start)}${who ? ` ${who}` : ""}`));
        mark = null;
      }
      const entity = inside(entities, "entity", start);
      if (entity && mark?.entity !== entity) {
        mark = tint(make("mark", { title: `${entity.type}${entity.confidence === null ? "" : `, ${percent(entity.confidence)} sure`}` }), entity.type);
        mark.entity = entity;
        paragraph.append(mark);
      }
      const text = characters.slice(start, end).join("");
      const word = inside(this.words, "word", start);
      let piece = word ? this.piece(text, at.word) : document.createTextNode(text);
      if (inside(hits, "hit", start)) piece = make("span", { className: "hit" }, piece);
      (entity ? mark : paragraph).append(piece);
      if (entity && end === entity.end_char) mark.append(make("small", {}, entity.type));
    });
    this.text.replaceChildren(...(characters.length ? out : [make("p", {}, make("em", {}, row.error ? "It could not be heard." : "No speech was found."))]));
    focusable(this.text, this.pieces[0]?.[0]);
  }

  piece(text, word) {
    const piece = make("span", { className: "w", tabIndex: -1, role: "button" }, text);
    piece.dataset.word = word;
    this.pieces[word].push(piece);
    return piece;
  }

  entities() {
    const rows = (this.row.entities ?? []).map((one) => {
      const button = make("button", { type: "button" }, one.text);
      const word = this.words.findIndex((found) => found.end_char > one.start_char);
      button.disabled = !this.can || word < 0;
      button.addEventListener("click", () => this.seek(one.start ?? this.words[word].start));
      const start = one.start ?? this.words[word]?.start;
      return make("tr", {}, make("td", {}, tint(make("span", { className: "chip" }, one.type), one.type)), make("td", {}, button),
        make("td", {}, start === undefined ? "" : clock(start)), make("td", {}, one.confidence === null ? "" : percent(one.confidence)));
    });
    byId("entities-card").hidden = !rows.length;
    byId("entities").replaceChildren(...rows);
  }

  /** Highlight the word that is being said. */
  follow() {
    const time = this.time + 0.05;
    const now = !this.row.words?.length || this.audio.paused ? -1 : this.words.findIndex((word) => word.start <= time && time < word.end);
    if (now === this.now) return;
    for (const piece of this.pieces[this.now] ?? []) piece.classList.remove("now");
    for (const piece of this.pieces[now] ?? []) piece.classList.add("now");
    this.now = now;
  }
}

const row_ok = (row) => row.audio.problem === null;

/** Entities without overlaps: the first, and of several that begin together the longest. */
function apart(entities) {
  const kept = [];
  for (const entity of [...entities].sort((a, b) => a.start_char - b.start_char || b.end_char - a.end_char)) {
    if (!kept.length || entity.start_char >= kept.at(-1).end_char) kept.push(entity);
  }
  return kept;
}
