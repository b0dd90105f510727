// Search in the transcript: words of a phrase in a row, without regard to case, accents and punctuation.

const fold = (text) => text.normalize("NFD").replace(/[\p{M}\p{P}\p{S}]/gu, "").toLowerCase();

/** The ranges of words, first and last, that `query` matches; its last word may be the beginning of one. */
export function matches(words, query) {
  const wanted = query.split(/\s+/).map(fold).filter(Boolean);
  if (!wanted.length) return [];
  const said = words.map((word) => fold(word.text));
  const last = wanted.length - 1;
  const fits = (text, n) => {
    if (text === undefined) return false;
    if (!last) return text.includes(wanted[0]);
    if (n === 0) return text.endsWith(wanted[0]);
    return n === last ? text.startsWith(wanted[n]) : text === wanted[n];
  };
  const found = [];
  for (let place = 0; place + last < said.length; place += 1) {
    if (wanted.every((_, n) => fits(said[place + n], n))) found.push([place, place + last]);
  }
  return found;
}

export class Search {
  constructor(form, transcript) {
    this.form = form;
    this.transcript = transcript;
    this.input = form.querySelector("input");
    this.count = form.querySelector("output");
    this.buttons = form.querySelectorAll("button");
    this.found = [];
    this.place = 0;
    this.input.addEventListener("input", () => this.look());
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.clear();
      if (event.key !== "Enter" || !event.shiftKey) return;
      event.preventDefault();
      this.go(-1);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.go(1);
    });
    this.buttons[0].addEventListener("click", () => this.go(-1));
  }

  clear() {
    this.input.value = "";
    this.look();
  }

  /** Look again: the query or the transcript is another one. `jump`: show the first match. */
  look(jump = true) {
    this.found = matches(this.transcript.words, this.input.value);
    this.place = 0;
    this.transcript.highlight(this.found);
    this.say();
    if (jump) this.go(0);
  }

  go(step) {
    if (!this.found.length) return;
    this.place = (this.place + step + this.found.length) % this.found.length;
    this.transcript.point(this.found[this.place]);
    this.say();
  }

  say() {
    const any = this.found.length > 0;
    const asked = this.input.value.trim() !== "";
    this.count.textContent = any ? `${this.place + 1} of ${this.found.length}` : asked ? "not found" : "";
    for (const button of this.buttons) button.hidden = !any;
  }
}
