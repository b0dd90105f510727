// Results with other biases: known in advance for short audio, else asked for when the slider rests.

import * as api from "./api.js";
import { withBias } from "./options.js";

const AHEAD = [2, -2, 4, -4];
const REST = 200; // milliseconds

/** The known result whose bias is nearest, with that bias; null if there is none. */
export function nearest(results, wanted) {
  const closer = (a, b) => (Math.abs(b[0] - wanted) < Math.abs(a[0] - wanted) ? b : a);
  const known = [...results];
  return known.length ? known.reduce(closer) : null;
}

export class Refinement {
  /**
   * `view`: `recording` and `bias` that are looked at; `show(analysis, isExact, faded)`; `said(analysis)` when what
   * was asked for is there, `failed(message)`.
   */
  constructor(view) {
    this.view = view;
    this.ahead = null; // AbortControllers
    this.asking = null;
    this.timer = 0;
  }

  get possible() {
    const one = this.view.recording;
    return Boolean(one?.hasResult && one.file && one.asked.tasks.includes("ner"));
  }

  /** Short audio is transcribed with other biases as well, so that the slider acts at once. */
  async tryAhead() {
    this.ahead?.abort();
    const one = this.view.recording;
    if (!this.possible || !one.isShort) return;
    const { signal } = (this.ahead = new AbortController());
    const { results, asked } = one;
    try {
      for (const value of AHEAD) {
        if (results.has(value)) continue;
        results.set(value, await api.analyze(one.file, withBias(asked, value), () => {}, signal));
        if (this.isLookedAt(results, value)) this.view.show(results.get(value), true);
      }
    } catch {
      // What is not known in advance is asked for when it is needed.
    }
  }

  isLookedAt(results, bias) {
    return this.view.recording.results === results && this.view.bias === bias;
  }

  /** The slider moved: the nearest known result is drawn now, the exact one as soon as it is there. */
  slide() {
    this.asking?.abort();
    clearTimeout(this.timer);
    if (!this.possible) return;
    const [from, analysis] = nearest(this.view.recording.results, this.view.bias);
    const less = from - this.view.bias;
    if (!less) return this.view.show(analysis, true);
    // With a bias lower by `less`, an entity stays if the odds for it do: an estimate until the result is there.
    const threshold = 1 / (1 + Math.exp(-less));
    this.view.show(analysis, false, less > 0 ? (entity) => (entity.confidence ?? 1) < threshold : undefined);
    this.timer = setTimeout(() => this.ask(), REST);
  }

  async ask() {
    this.ahead?.abort();
    const one = this.view.recording;
    const { signal } = (this.asking = new AbortController());
    const { results } = one;
    const wanted = this.view.bias;
    try {
      results.set(wanted, await this.answer(one, withBias(one.asked, wanted), signal));
      if (!this.isLookedAt(results, wanted)) return;
      this.view.show(results.get(wanted), true);
      this.view.said(results.get(wanted));
    } catch (failure) {
      if (failure.name !== "AbortError") this.view.failed(failure.message);
    }
  }

  async answer(one, fields, signal) {
    if (one.isShort) return api.analyze(one.file, fields, () => {}, signal);
    const id = await api.begin(one.file, fields, () => {}, signal);
    try {
      return await api.follow(id, () => {}, signal);
    } finally {
      api.forgetOwn(id);
    }
  }
}
