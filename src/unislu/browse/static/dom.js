// Small tools of the page: elements, times, colours, and answers of the server.

/** An element. `properties` are set on it; text and elements become its content. */
export function make(tag, properties = {}, ...content) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...content.filter((piece) => piece !== null && piece !== ""));
  return made;
}

export const byId = (id) => document.getElementById(id);

export function clock(seconds) {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (!parts[0]) parts.shift();
  return parts.map((part, n) => (n ? String(part).padStart(2, "0") : part)).join(":");
}

export const percent = (share) => `${Math.round(100 * share)} %`;
export const count = (number) => number.toLocaleString("en-US");
export const recordings = (number) => `${count(number)} ${number === 1 ? "recording" : "recordings"}`;

const hues = new Map();

/** One colour for each type of entity, as far apart as possible. */
export function tint(element, type) {
  if (!hues.has(type)) hues.set(type, (hues.size * 137.508 + 210) % 360);
  element.style.setProperty("--hue", hues.get(type).toFixed(0));
  return element;
}

/** A sentiment's name as a class that has a colour. */
export const tone = (label) => (["positive", "negative", "neutral", "mixed"].includes(label) ? label : "");

/** The answer of a route as JSON; an error has a sentence for people. */
export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The page's server does not answer. Is `unislu browse` still running?");
  }
  if (answer.ok) return answer.json();
  throw new Error(await sentence(answer));
}

export async function sentence(answer) {
  try {
    return (await answer.json()).error.message;
  } catch {
    return `The page's server answered ${answer.status}.`;
  }
}
