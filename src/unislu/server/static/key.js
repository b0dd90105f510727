// The dialog that asks for the key of a server that wants one.

const $ = (id) => document.getElementById(id);

/** Ask for the server's key; null if nobody gives one. `wrong`: the last one was. */
export async function askKey(wrong) {
  const dialog = $("key-dialog");
  if (!dialog.open) {
    $("key-error").hidden = !wrong;
    $("key").value = "";
    dialog.showModal();
  }
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  return $("key").value || null;
}
