// Entities: the table, how many of each type, and which are sure enough to be shown.

import { clock } from "./transcript.js";
import { tint } from "./types.js";

const $ = (id) => document.getElementById(id);

/** How many entities of each type. */
export function counted(entities) {
  const counts = new Map();
  for (const entity of entities) counts.set(entity.type, (counts.get(entity.type) ?? 0) + 1);
  return counts;
}

/** The result with the entities that are at least this sure; what has no confidence stays. */
export function sureEnough(analysis, least) {
  if (!least || !analysis.entities) return analysis;
  return { ...analysis, entities: analysis.entities.filter(({ confidence }) => (confidence ?? 1) >= least) };
}

/** When an entity is said, in seconds: its own time, or that of its segment. */
export function startOf(analysis, entity) {
  if (typeof entity.start === "number") return entity.start;
  const inside = ({ start_char, end_char }) => start_char <= entity.start_char && entity.start_char < end_char;
  return analysis.segments.find(inside)?.start ?? 0;
}

/** Buttons that show and hide the marks of a type; `toggle` is called with the type. */
export function drawLegend(entities, hidden, toggle) {
  const chips = [...counted(entities)].map(([type, count]) => {
    const chip = tint(document.createElement("button"), type);
    chip.type = "button";
    chip.className = "chip";
    chip.dataset.type = type;
    chip.textContent = `${type} ${count}`;
    chip.setAttribute("aria-pressed", String(!hidden.has(type)));
    chip.addEventListener("click", () => {
      toggle(type);
      $("legend").querySelector(`[data-type="${CSS.escape(type)}"]`)?.focus();
    });
    const holder = document.createElement("li");
    holder.append(chip);
    return holder;
  });
  $("legend").replaceChildren(...chips);
}

/** `of`: how many there are with those that are not sure enough. */
export function drawEntities(analysis, entities, of, nameOf, seek) {
  $("entity-count").textContent = entities.length || "none";
  $("entities").hidden = !entities.length;
  $("no-entities").hidden = entities.length > 0;
  $("threshold-note").textContent = of > entities.length ? `${of - entities.length} of ${of} hidden` : "";
  $("entities").tBodies[0].replaceChildren(...entities.map((entity) => row(analysis, entity, nameOf, seek)));
}

function row(analysis, entity, nameOf, seek) {
  const made = document.createElement("tr");
  const type = tint(document.createElement("span"), entity.type);
  type.className = "chip plain";
  type.textContent = entity.type;
  const start = startOf(analysis, entity);
  const play = document.createElement("button");
  play.type = "button";
  play.textContent = entity.text;
  play.title = "Hear it";
  play.addEventListener("click", () => seek(start));
  const what = document.createDocumentFragment();
  what.append(play);
  for (const note of [valueOf(entity), entity.speaker && nameOf(entity.speaker)].filter(Boolean)) {
    const small = document.createElement("small");
    small.className = "quiet";
    small.textContent = note;
    what.append(" ", small);
  }
  for (const content of [type, what, clock(start), confidence(entity)]) {
    const cell = document.createElement("td");
    cell.append(content);
    made.append(cell);
  }
  return made;
}

/** What an entity stands for, where that was asked for: a date, an amount, a number. */
function valueOf({ value }) {
  if (!value) return "";
  const { iso, amount, currency, percent, number, unit, e164, digits, email, url, iban, valid } = value;
  const money = amount === undefined ? null : [amount, currency].filter((part) => part !== null).join(" ");
  const counted = number === undefined ? null : [number, unit].filter(Boolean).join(" ");
  const share = percent === undefined ? null : `${percent} %`;
  const said = iso ?? money ?? share ?? counted ?? e164 ?? digits ?? email ?? url ?? iban ?? "";
  return valid === false ? `${said} (not valid)` : String(said);
}

function confidence({ confidence: share }) {
  const sure = document.createDocumentFragment();
  if (share === null || share === undefined) return sure;
  const bar = document.createElement("span");
  bar.className = "bar";
  const inner = document.createElement("i");
  inner.style.width = `${100 * share}%`;
  bar.append(inner);
  sure.append(bar, `${Math.round(100 * share)} %`);
  return sure;
}
