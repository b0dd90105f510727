// What is asked of the server: tasks, entity types, speakers, vocabulary, bias.

import { joined, TypeList } from "./types.js";
import { Voices } from "./voices.js";

const $ = (id) => document.getElementById(id);

export const shownBias = (value) => (value > 0 ? `+${value}` : String(value).replace("-", "−"));

/** With the bias, where entities are asked for. */
export const withBias = (asked, value) => (asked.tasks.includes("ner") ? { ...asked, bias: value } : asked);

export class Options {
  /** `changed` is called when something else than the bias changes, `slid` when that does. */
  constructor(changed, slid) {
    this.types = new TypeList(
      $("types"), $("add-type"), $("clear-types"), $("reset-types"), $("types-note"), () => this.changed(),
    );
    this.told = changed;
    this.voices = new Voices(() => this.changed());
    this.enrols = false; // whether the server takes known voices
    this.presets = {};
    for (const id of ["models", "task-ner", "task-sa", "values", "speakers", "vocabulary"]) {
      $(id).addEventListener(id === "vocabulary" ? "input" : "change", () => this.changed());
    }
    $("preset").addEventListener("change", () => this.types.set(this.presets[$("preset").value] ?? this.types.known));
    $("bias").addEventListener("input", () => {
      $("bias-value").textContent = shownBias(this.bias);
      slid();
    });
    // Beside the result the options are always open; above it, on small screens, they would push it away.
    const wide = window.matchMedia("(min-width: 52.01rem)");
    const unfold = () => ($("options").open = wide.matches);
    wide.addEventListener("change", unfold);
    unfold();
  }

  /** What this server can do: the choices that it does not understand are not shown. */
  start(server) {
    const models = server.models ?? [];
    $("models-box").hidden = models.length < 2;
    $("models").replaceChildren(...models.map((name, place) => new Option(name, place ? name : "")));
    const understands = new Set(server.fields ?? []);
    $("speakers-box").hidden = !understands.has("speakers");
    this.enrols = understands.has("voice_names");
    $("values-box").hidden = !understands.has("values");
    $("vocabulary-box").hidden = !understands.has("vocabulary");
    this.presets = server.presets ?? {};
    $("preset-box").hidden = !Object.keys(this.presets).length;
    $("preset").replaceChildren(
      new Option("the model's types", ""), ...Object.keys(this.presets).map((name) => new Option(name)),
      new Option("own", "own", false, false),
    );
    $("preset").lastElementChild.disabled = true;
    this.types.start(server.entity_types, server.open_types);
  }

  get bias() {
    return Number($("bias").value);
  }

  /** Whether something can be asked. */
  get complete() {
    return !$("task-ner").checked || this.types.types.length > 0;
  }

  /** The fields of a request, without the bias. */
  get fields() {
    const tasks = ["asr", ...($("task-ner").checked ? ["ner"] : []), ...($("task-sa").checked ? ["sa"] : [])];
    const asked = { tasks: tasks.join(",") };
    if ($("task-ner").checked && !this.types.isDefault) asked.entities = joined(this.types.types);
    if ($("task-ner").checked && $("values").checked) asked.values = "true";
    if ($("models").value) asked.model = $("models").value;
    const vocabulary = $("vocabulary").value.split("\n").map((line) => line.trim()).filter(Boolean).join("\n");
    if (!$("speakers-box").hidden && $("speakers").value) asked.speakers = $("speakers").value;
    if (asked.speakers && this.enrols && this.voices.voices.length) asked.voices = this.voices.voices;
    if (!$("vocabulary-box").hidden && vocabulary) asked.vocabulary = vocabulary;
    return asked;
  }

  changed() {
    $("voices-box").hidden = !this.enrols || !$("speakers").value;
    $("types-box").disabled = $("bias-box").disabled = !$("task-ner").checked;
    const same = (types) => JSON.stringify(types) === JSON.stringify(this.types.types);
    const preset = Object.keys(this.presets).find((name) => same(this.presets[name]));
    $("preset").value = preset ?? (this.types.isDefault ? "" : "own");
    this.told();
  }
}
