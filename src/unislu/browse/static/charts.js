// Two charts: recordings over time as bars by sentiment, and the entities that are mentioned most.

import { count, make, percent, recordings, tint, tone } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const ORDER = ["negative", "mixed", "neutral", "positive"];
const HEIGHT = 160;
const BOTTOM = 18;
const LEFT = 34;

function draw(tag, attributes, ...content) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...content);
  return made;
}

function sorted(counts) {
  const place = (label) => (ORDER.includes(label) ? ORDER.indexOf(label) : ORDER.length);
  return Object.entries(counts).sort((a, b) => place(a[0]) - place(b[0]));
}

const FORMATS = {
  day: { day: "numeric", month: "short", year: "numeric" },
  week: { day: "numeric", month: "short", year: "numeric" },
  month: { month: "short", year: "numeric" },
  year: { year: "numeric" },
};

function named(bar, unit) {
  const name = new Date(`${bar.from}T00:00`).toLocaleDateString("en-GB", FORMATS[unit]);
  return unit === "week" ? `week of ${name}` : name;
}

/** Bars in time; `choose(from, to)` is called for the bar that is clicked or entered. */
export function drawTime(box, { unit, bars }, choose) {
  const total = (bar) => Object.values(bar.counts).reduce((sum, one) => sum + one, 0);
  const most = Math.max(1, ...bars.map(total));
  const width = Math.max(240, box.clientWidth);
  const step = (width - LEFT) / Math.max(1, bars.length);
  const tall = (number) => ((HEIGHT - BOTTOM - 8) * number) / most;
  const svg = draw("svg", { class: "time", viewBox: `0 0 ${width} ${HEIGHT}`, role: "group", "aria-label": `Recordings by ${unit}. Arrow keys move, Enter chooses.` });
  svg.append(draw("line", { class: "axis", x1: LEFT, x2: width, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }));
  svg.append(draw("text", { x: LEFT - 4, y: 16, "text-anchor": "end", "aria-hidden": "true" }, count(most)));
  bars.forEach((bar, n) => {
    const x = LEFT + n * step;
    const parts = sorted(bar.counts);
    const label = `${named(bar, unit)}: ${recordings(total(bar))}${parts.map(([name, number]) => (name ? `, ${count(number)} ${name}` : "")).join("")}`;
    const group = draw("g", { class: "bar", role: "button", tabindex: n ? -1 : 0, "aria-label": label });
    group.append(draw("title", {}, label), draw("rect", { class: "ground", x, y: 0, width: step, height: HEIGHT - BOTTOM }));
    let y = HEIGHT - BOTTOM;
    for (const [name, number] of parts) {
      y -= tall(number);
      group.append(draw("rect", { class: `part ${tone(name)}`, x: x + step * 0.1, y, width: step * 0.8, height: tall(number) }));
    }
    group.addEventListener("click", () => choose(bar.from, bar.to));
    svg.append(group);
  });
  for (const n of ticks(bars.length)) {
    const anchor = n === 0 ? "start" : n === bars.length - 1 ? "end" : "middle";
    const x = LEFT + step * (n + { start: 0, middle: 0.5, end: 1 }[anchor]);
    svg.append(draw("text", { x, y: HEIGHT - 4, "text-anchor": anchor, "aria-hidden": "true" }, named(bars[n], unit).replace("week of ", "")));
  }
  svg.addEventListener("keydown", (event) => {
    const all = [...svg.querySelectorAll("g.bar")];
    const at = all.indexOf(event.target);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (at >= 0 && to !== undefined) {
      event.preventDefault();
      const next = all[Math.max(0, Math.min(all.length - 1, to))];
      all[at].setAttribute("tabindex", -1);
      next.setAttribute("tabindex", 0);
      next.focus();
    } else if (at >= 0 && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      choose(bars[at].from, bars[at].to);
    }
  });
  box.replaceChildren(bars.length ? svg : make("p", { className: "quiet", textContent: "No dates." }));
}

function ticks(length) {
  if (length < 2) return length ? [0] : [];
  return length < 7 ? [0, length - 1] : [0, Math.floor((length - 1) / 2), length - 1];
}

/** The shares of sentiments as a legend with figures. */
export function drawShares(box, sentiments) {
  const sum = sentiments.reduce((all, one) => all + one.count, 0);
  box.replaceChildren(
    ...sentiments.map(({ name, count: number }) =>
      make("li", {}, make("i", { className: `dot ${tone(name)}` }), `${name} ${percent(number / sum)}`)),
  );
}

/** `choose(entity)` is called for the one that is clicked. */
export function drawCounts(box, entities, choose) {
  const most = Math.max(1, ...entities.map((one) => one.recordings));
  const rows = entities.map((one) => {
    const title = `${recordings(one.recordings)}, ${count(one.mentions)} mentions, ${count(one.negative)} negative`;
    const button = make("button", { type: "button", title },
      make("span", { className: "what" }, `${one.text} `, tint(make("span", { className: "chip" }, one.type), one.type)),
      make("span", { className: "number" }, count(one.recordings)));
    button.style.setProperty("--share", one.recordings / most);
    button.addEventListener("click", () => choose(one));
    return make("li", {}, button);
  });
  box.replaceChildren(...(rows.length ? rows : [make("li", { className: "quiet", textContent: "No entities." })]));
}
