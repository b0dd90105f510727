"use strict";
// Filters of the worst utterances; the page is complete without them.
const bar = document.querySelector(".filters");
if (bar) {
  bar.hidden = false;
  bar.addEventListener("click", (event) => {
    const wanted = event.target.dataset.filter;
    if (!wanted) return;
    for (const button of bar.children) button.setAttribute("aria-pressed", String(button === event.target));
    for (const item of document.querySelectorAll(".case")) {
      item.hidden = wanted !== "all" && !item.dataset.kinds.split(" ").includes(wanted);
    }
  });
}
// One player at a time.
document.addEventListener("play", (event) => {
  for (const player of document.querySelectorAll("audio")) if (player !== event.target) player.pause();
}, true);
