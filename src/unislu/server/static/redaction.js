// The card that redacts: which types, how far it is, before and after.

import * as api from "./api.js";
import { counted } from "./entities.js";
import { save } from "./sharing.js";
import { clock } from "./transcript.js";
import { joined } from "./types.js";

const $ = (id) => document.getElementById(id);

export class Redaction {
  /** `asked()` gives the file and the fields of what is shown. */
  constructor(asked, say, fail) {
    this.asked = asked;
    this.say = say;
    this.fail = fail;
    this.copy = null; // the redacted audio: url and name
    this.running = null; // AbortController
    $("redact").addEventListener("submit", (event) => {
      event.preventDefault();
      this.start();
    });
    $("redact-cancel").addEventListener("click", () => this.running?.abort());
    $("download-redacted").addEventListener("click", () => this.copy && save(this.copy.url, this.copy.name));
  }

  draw(entities) {
    const off = new Set([...$("redact-types").querySelectorAll("input:not(:checked)")].map((box) => box.value));
    const boxes = [...counted(entities).keys()].map((type) => {
      const label = document.createElement("label");
      label.className = "check";
      const box = document.createElement("input");
      box.type = "checkbox";
      box.value = type;
      box.checked = !off.has(type);
      label.append(box, type);
      return label;
    });
    $("redact-types").replaceChildren(...boxes);
  }

  /** Another recording: what runs and what was made belong to the one before. */
  forget() {
    this.running?.abort();
    if (this.copy) URL.revokeObjectURL(this.copy.url);
    this.copy = null;
    $("redacted").hidden = true;
  }

  async start() {
    const types = [...$("redact-types").querySelectorAll("input:checked")].map((box) => box.value);
    if (!types.length) return this.fail("Choose at least one type to redact.");
    this.forget();
    $("error").hidden = true;
    $("redact-go").disabled = true;
    const run = (this.running = new AbortController());
    const stop = showProgress();
    const { file, fields } = this.asked();
    try {
      const answer = await api.redact(
        file,
        {
          ...fields,
          types: joined(types),
          how: $("redact-how").value,
          audio: $("redact-audio").value,
          untimed: "segment",
        },
        showUpload,
        run.signal,
      );
      this.show(answer);
      this.say("Redacted.");
    } catch (failure) {
      if (failure.name === "AbortError") this.say("Cancelled.");
      else this.fail(failure.message);
    } finally {
      stop();
      $("redact-go").disabled = false;
    }
  }

  show(answer) {
    const bytes = Uint8Array.from(atob(answer.audio.data), (character) => character.charCodeAt(0));
    const url = URL.createObjectURL(new Blob([bytes], { type: answer.audio.content_type }));
    this.copy = { url, name: answer.audio.filename };
    $("after").src = url;
    $("redacted-text").textContent = answer.analysis.text;
    const done = answer.verified
      ? `${answer.masked.length} places covered; verified by a second transcription.`
      : "Nothing to redact was found: the copy says what the recording says.";
    $("redacted-note").textContent = `${done} ${answer.notes.join(" ")}`;
    $("redacted-note").className = answer.verified ? "quiet" : "error";
    $("redacted").hidden = false;
  }
}

function showUpload(share) {
  if (share < 1) {
    $("redact-label").textContent = `Uploading ${Math.round(100 * share)} %`;
    $("redact-progress").value = share;
  } else {
    $("redact-progress").removeAttribute("value");
  }
}

/** The server transcribes, covers and verifies, and answers once it is done: meanwhile the seconds are shown. */
function showProgress() {
  const begun = Date.now();
  $("redact-label").textContent = "Uploading";
  $("redact-progress").removeAttribute("value");
  $("redact-box").hidden = false;
  const timer = setInterval(() => {
    if ($("redact-progress").hasAttribute("value")) return;
    $("redact-label").textContent = `Transcribing, covering, verifying · ${clock((Date.now() - begun) / 1000)}`;
  }, 500);
  return () => {
    clearInterval(timer);
    $("redact-box").hidden = true;
  };
}
