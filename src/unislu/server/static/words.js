// The words of a transcript, for mouse and keyboard. The page of `unislu browse` uses this module too.

/** One piece of the box is in the tab order. */
export function focusable(box, piece) {
  for (const other of box.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
  if (piece) piece.tabIndex = 0;
  return piece;
}

/**
 * A click or Enter plays from a word, arrow keys move from word to word, the space bar pauses and goes on.
 * `reader` has `words`, the `pieces` of each on the page, and `play(word)`.
 */
export function reachable(box, audio, reader) {
  box.addEventListener("click", (event) => {
    const piece = event.target.closest("[data-word]");
    if (piece && !window.getSelection().toString()) reader.play(Number(piece.dataset.word));
  });
  box.addEventListener("keydown", (event) => {
    const word = Number(event.target.dataset?.word);
    if (Number.isNaN(word)) return;
    const last = reader.words.length - 1;
    const to = { ArrowRight: word + 1, ArrowDown: word + 10, ArrowLeft: word - 1, ArrowUp: word - 10, Home: 0, End: last };
    if (event.key in to) focusable(box, reader.pieces[Math.max(0, Math.min(last, to[event.key]))]?.[0])?.focus();
    else if (event.key === "Enter") reader.play(word);
    else if (event.key === " ") audio.paused ? audio.play() : audio.pause();
    else return;
    event.preventDefault();
  });
}
