// What leaves the page: text on the clipboard, files, and an address under which the server keeps the result.

import * as api from "./api.js";

const $ = (id) => document.getElementById(id);

export function save(url, name) {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}

/** Copy, and say so on the button for a moment. */
export async function copy(text, button) {
  const label = button.dataset.label ?? button.textContent;
  button.dataset.label = label;
  const done = await write(text);
  button.textContent = done ? "Copied" : "Copying is not allowed here";
  setTimeout(() => (button.textContent = label), 2000);
}

async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writeOldWay(text); // without https there is no clipboard
  }
}

function writeOldWay(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

export async function download(analysis, format) {
  const text = format === "json" ? `${JSON.stringify(analysis, null, 2)}\n` : await api.render(analysis, format);
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  save(url, `${(analysis.file ?? "audio").replace(/\.[^.]+$/, "")}.${format}`);
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** The job that the page's address names, or null. */
export const jobOfAddress = () => new URLSearchParams(location.hash.slice(1)).get("job");

/** The address of a job's result in this page; the part after `#` is not sent to any server. */
export function addressOf(id) {
  const address = new URL(location.href);
  address.hash = id ? new URLSearchParams({ job: id }) : "";
  return address.href;
}

/** Let the page's address be that of a job; reloading comes back to it. */
export function showAddress(id) {
  const wanted = id ? addressOf(id) : location.pathname + location.search;
  if (jobOfAddress() !== id) history.replaceState(null, "", wanted);
}

/** Keep the result under an address, unless it is there already. */
export async function share(recording, analysis) {
  const text = JSON.stringify(analysis);
  if (recording.link?.text !== text) recording.link = { id: await api.keep(analysis), text };
  return recording.link.id;
}

export function drawLink(recording, keepDays) {
  const id = recording?.link?.id ?? null;
  $("link-box").hidden = id === null;
  if (id === null) return;
  $("link").value = addressOf(id);
  const days = keepDays === 1 ? "1 day" : `${keepDays} days`;
  $("link-note").textContent = `Whoever may use this server can open it, for ${days}. The recording is not kept.`;
}
