// Known voices: clips with the names of who speaks in them.

const $ = (id) => document.getElementById(id);

/** The part of a file's name that may be somebody's. */
const stem = (file) => file.name.replace(/\.[^.]*$/, "") || "Voice";

export class Voices {
  /** `changed` is called after every change. */
  constructor(changed) {
    this.changed = changed;
    this.voices = []; // { name, file, mark }: `mark` tells two files apart where they are compared as JSON
    $("add-voice").addEventListener("submit", (event) => {
      event.preventDefault();
      $("voice-clip").click();
    });
    $("voice-clip").addEventListener("change", () => {
      const [file] = $("voice-clip").files;
      if (file) this.add($("voice-name").value.trim() || stem(file), file);
      $("voice-name").value = $("voice-clip").value = "";
    });
  }

  /** A name has one clip: another one takes its place. */
  add(name, file) {
    const mark = `${file.name} ${file.size} ${file.lastModified}`;
    this.set([...this.voices.filter((voice) => voice.name !== name), { name, file, mark }]);
  }

  set(voices) {
    this.voices = voices;
    $("voices").replaceChildren(...voices.map((voice) => this.chip(voice)));
    this.changed();
  }

  chip(voice) {
    const item = document.createElement("li");
    item.className = "chip";
    item.style.setProperty("--hue", "210");
    const name = document.createElement("span");
    name.textContent = voice.name;
    name.title = voice.file.name;
    const remove = document.createElement("button");
    remove.type = "button";
    remove.textContent = "×";
    remove.setAttribute("aria-label", `Remove the voice of ${voice.name}`);
    remove.addEventListener("click", () => {
      this.set(this.voices.filter((other) => other !== voice));
      $("voice-name").focus();
    });
    item.append(name, remove);
    return item;
  }
}
