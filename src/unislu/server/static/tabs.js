// Tabs after the pattern of the ARIA Authoring Practices: one is in the tab order, arrow keys move.

export class Tabs {
  /** `shown(id)` is called with the id of the panel that was opened. */
  constructor(list, shown) {
    this.tabs = [...list.querySelectorAll("[role=tab]")];
    this.shown = shown;
    list.addEventListener("click", (event) => {
      const tab = event.target.closest("[role=tab]");
      if (tab) this.select(tab);
    });
    list.addEventListener("keydown", (event) => this.key(event));
    this.select(this.tabs[0]);
  }

  select(chosen) {
    for (const tab of this.tabs) {
      const is = tab === chosen;
      tab.setAttribute("aria-selected", String(is));
      tab.tabIndex = is ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !is;
    }
    this.shown(chosen.getAttribute("aria-controls"));
  }

  /** A part that there is not has no tab; `hidden`: by the tab's id. */
  hide(hidden) {
    for (const tab of this.tabs) tab.hidden = Boolean(hidden[tab.id]);
    const current = this.tabs.find((tab) => tab.getAttribute("aria-selected") === "true");
    if (current.hidden) this.select(this.tabs[0]);
  }

  key(event) {
    const there = this.tabs.filter((tab) => !tab.hidden);
    const place = there.indexOf(event.target);
    const to = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: there.length - 1 }[event.key];
    if (place < 0 || to === undefined) return;
    event.preventDefault();
    const tab = there[(to + there.length) % there.length];
    this.select(tab);
    tab.focus();
  }
}
