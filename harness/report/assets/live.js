"use strict";
// While a run lasts the page reads itself anew, at the same place, unless somebody is busy with it.
(() => {
  const QUIET_MS = 15000, key = `bench ${location.pathname}`;
  const kept = Number(sessionStorage.getItem(key) ?? 0);
  if (kept) scrollTo(0, kept);
  let touched = 0;
  for (const kind of ["pointerdown", "keydown", "wheel", "touchmove"]) {
    addEventListener(kind, () => { touched = Date.now(); }, { passive: true });
  }
  const filtered = () => [...document.querySelectorAll(".filter")].some((one) => one.value);
  const heard = () => [...document.querySelectorAll("audio")].some((one) => !one.paused);
  setInterval(() => {
    if (document.hidden || filtered() || heard() || Date.now() - touched < QUIET_MS) return;
    sessionStorage.setItem(key, String(scrollY));
    location.reload();
  }, 1000 * RELOAD_S);
})();
