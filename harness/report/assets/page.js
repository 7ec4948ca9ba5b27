"use strict";
// Choices: one view at a time.
(() => {
  document.querySelectorAll(".choice").forEach((choice) => {
    const tabs = [...choice.querySelectorAll(":scope > .options > button")];
    const panels = [...choice.querySelectorAll(":scope > .option")];
    const choose = (chosen) => {
      tabs.forEach((tab, i) => tab.setAttribute("aria-selected", String(i === chosen)));
      panels.forEach((panel, i) => { panel.hidden = i !== chosen; });
    };
    tabs.forEach((tab, i) => {
      tab.addEventListener("click", () => choose(i));
      tab.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const next = (i + step + tabs.length) % tabs.length;
        choose(next);
        tabs[next].focus();
      });
    });
  });
})();
