// Entity types: one colour for each, and the list that can be edited.

const hues = new Map();

/** The colours of these types are as far apart as possible; later types fill the gaps. */
export function hueOf(type) {
  const name = type.toLowerCase();
  if (!hues.has(name)) hues.set(name, (hues.size * 137.508 + 210) % 360);
  return hues.get(name);
}

export function tint(element, type) {
  element.style.setProperty("--hue", hueOf(type).toFixed(0));
  return element;
}

/** An editable list of types; `changed` is called after every change. */
export class TypeList {
  constructor(list, form, clear, reset, note, changed) {
    this.list = list;
    this.note = note;
    this.clear = clear;
    this.reset = reset;
    this.changed = changed;
    this.known = [];
    this.types = [];
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const input = form.querySelector("input");
      this.add(input.value);
      input.value = "";
      input.focus();
    });
    clear.addEventListener("click", () => { this.set([]); form.querySelector("input").focus(); });
    reset.addEventListener("click", () => this.set(this.known));
  }

  start(known, open) {
    this.known = known;
    this.open = open;
    this.set(known, false);
  }

  /** The model's own types need not be named. */
  get isDefault() {
    return this.types.length === this.known.length && this.types.every((type, n) => type === this.known[n]);
  }

  add(text) {
    const names = text.split(",").map((name) => name.trim()).filter(Boolean);
    const have = new Set(this.types.map((type) => type.toLowerCase()));
    const fresh = names.filter((name) => !have.has(name.toLowerCase()) && have.add(name.toLowerCase()));
    if (fresh.length) this.set([...this.types, ...fresh]);
  }

  set(types, tell = true) {
    this.types = [...types];
    this.list.replaceChildren(...this.types.map((type) => this.chip(type)));
    this.reset.hidden = this.isDefault;
    this.clear.hidden = !this.types.length;
    this.note.textContent = this.isDefault
      ? this.open ? "The model's built-in types; types that you add are found as well." : "The model's types."
      : this.types.length ? "" : "Add a type, or reset.";
    if (tell) this.changed();
  }

  chip(type) {
    const item = tint(document.createElement("li"), type);
    item.className = "chip";
    const name = document.createElement("span");
    name.textContent = type;
    const remove = document.createElement("button");
    remove.type = "button";
    remove.textContent = "×";
    remove.setAttribute("aria-label", `Remove ${type}`);
    remove.addEventListener("click", () => {
      const place = this.types.indexOf(type);
      this.set(this.types.filter((other) => other !== type));
      const buttons = this.list.querySelectorAll("button");
      (buttons[Math.min(place, buttons.length - 1)] ?? document.getElementById("new-type")).focus();
    });
    item.append(name, remove);
    return item;
  }
}

/** Names as the server reads them: quotes protect commas. */
export function joined(types) {
  return JSON.stringify(types);
}
