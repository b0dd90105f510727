// Where recordings come from: the file dialog, files that are dropped on the page, the example.

import { example } from "./api.js";

const $ = (id) => document.getElementById(id);

/** Hand every choice of files to `add`; `fail` is told in a sentence what went wrong. */
export function choosing(add, fail) {
  $("file").addEventListener("change", (event) => {
    const files = [...event.target.files];
    event.target.value = ""; // the same file may be chosen again
    add(files);
  });
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => { event.preventDefault(); $("drop").classList.add("over"); });
  }
  for (const name of ["dragleave", "drop"]) {
    document.addEventListener(name, (event) => { event.preventDefault(); $("drop").classList.remove("over"); });
  }
  document.addEventListener("drop", (event) => add([...event.dataTransfer.files]));
  $("example").addEventListener("click", async () => {
    try {
      add([await example()]);
    } catch (failure) {
      fail(failure.message);
    }
  });
}
