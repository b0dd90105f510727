// The recording as a picture: loudness, who speaks, where entities are; click or arrow keys go to a place.

import { clock } from "./transcript.js";

const LONGEST = 3600; // seconds that are decoded in the browser; longer ones show where somebody speaks
const RATE = 8000; // enough for a picture, and a sixth of the memory
const BINS = 2000;
const HEIGHT = 56;

/** The loudest sample of each of `BINS` equal parts, 0 to 1; null if the browser cannot decode the file. */
export async function peaksOf(file, seconds) {
  if (seconds > LONGEST) return null;
  try {
    const context = new OfflineAudioContext(1, 1, RATE);
    const decoded = await context.decodeAudioData(await file.arrayBuffer());
    const peaks = new Float32Array(BINS);
    for (let channel = 0; channel < decoded.numberOfChannels; channel += 1) {
      const samples = decoded.getChannelData(channel);
      const step = samples.length / BINS;
      for (let n = 0; n < samples.length; n += 1) {
        const bin = Math.min(BINS - 1, Math.floor(n / step));
        peaks[bin] = Math.max(peaks[bin], Math.abs(samples[n]));
      }
    }
    const loudest = peaks.reduce((a, b) => Math.max(a, b), 1e-3);
    return peaks.map((peak) => peak / loudest);
  } catch {
    return null; // a container that only the server reads
  }
}

export class Waveform {
  constructor(box, audio) {
    this.box = box;
    this.audio = audio;
    this.canvas = box.querySelector("canvas");
    this.cursor = box.querySelector(".cursor");
    this.seconds = 0;
    this.peaks = null;
    this.turns = [];
    this.entities = [];
    box.addEventListener("pointerdown", (event) => {
      box.setPointerCapture(event.pointerId);
      this.point(event);
    });
    box.addEventListener("pointermove", (event) => box.hasPointerCapture(event.pointerId) && this.point(event));
    box.addEventListener("keydown", (event) => this.key(event));
    for (const name of ["timeupdate", "seeked", "emptied"]) audio.addEventListener(name, () => this.follow());
    new ResizeObserver(() => this.draw()).observe(box);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** `turns`: [{ start, end, color }]; `entities`: [{ start, color }], colours as hues or null. */
  show(seconds, peaks, turns, entities) {
    Object.assign(this, { seconds, peaks, turns, entities });
    this.box.setAttribute("aria-valuemax", seconds.toFixed(1));
    this.draw();
    this.follow();
  }

  point(event) {
    const { left, width } = this.box.getBoundingClientRect();
    this.go(((event.clientX - left) / width) * this.seconds);
  }

  go(seconds) {
    if (this.audio.src) this.audio.currentTime = Math.max(0, Math.min(this.seconds, seconds));
  }

  key(event) {
    const now = this.audio.currentTime;
    const to = {
      ArrowRight: now + 5, ArrowUp: now + 5, ArrowLeft: now - 5, ArrowDown: now - 5,
      PageUp: now + 30, PageDown: now - 30, Home: 0, End: this.seconds,
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      this.go(to);
    } else if (event.key === " " || event.key === "Enter") {
      event.preventDefault();
      if (this.audio.paused) this.audio.play();
      else this.audio.pause();
    }
  }

  follow() {
    const now = this.audio.src ? this.audio.currentTime : 0;
    this.cursor.style.left = `${100 * Math.min(1, now / (this.seconds || 1))}%`;
    this.box.setAttribute("aria-valuenow", now.toFixed(1));
    this.box.setAttribute("aria-valuetext", `${clock(now)} of ${clock(this.seconds)}`);
  }

  draw() {
    const width = this.box.clientWidth;
    if (!width || !this.seconds) return;
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = width * scale;
    this.canvas.height = HEIGHT * scale;
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    const style = getComputedStyle(this.box);
    const light = style.getPropertyValue("--edge-l").trim();
    const plain = style.getPropertyValue("--wave").trim();
    const color = (hue) => (hue === null ? plain : `hsl(${hue} 55% ${light})`);
    const middle = (HEIGHT - 6) / 2;
    let turn = 0;
    for (let x = 0; x < width; x += 3) {
      const at = (x / width) * this.seconds;
      while (turn < this.turns.length && this.turns[turn].end < at) turn += 1;
      const spoken = this.turns[turn]?.start <= at ? this.turns[turn] : null;
      const tall = Math.max(1, this.height(x / width, 3 / width, spoken) * (middle - 2));
      context.fillStyle = color(spoken ? spoken.color : null);
      context.globalAlpha = spoken ? 1 : 0.45;
      context.fillRect(x, middle - tall, 2, 2 * tall);
    }
    context.globalAlpha = 1;
    for (const { start, color: hue } of this.entities) {
      context.fillStyle = color(hue);
      context.fillRect((start / this.seconds) * width, HEIGHT - 5, 3, 5);
    }
  }

  height(from, share, spoken) {
    if (!this.peaks) return spoken ? 0.5 : 0;
    const first = Math.floor(from * BINS);
    const last = Math.min(BINS - 1, Math.max(first, Math.ceil((from + share) * BINS) - 1));
    let peak = 0;
    for (let bin = first; bin <= last; bin += 1) peak = Math.max(peak, this.peaks[bin]);
    return peak;
  }
}
