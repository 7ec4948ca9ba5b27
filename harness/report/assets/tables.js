"use strict";
// Tables: sorted and filtered as data; rows below the fold are made when they are asked for.
(() => {
  const SHOWN = 50, FILTERED_FROM = 6;
  const numeric = (text) => Number(text.replace(/,/g, ""));

  const width = ({ length }) => length > 40 ? "wide" : length <= 16 ? "short" : "";
  const ofElement = (row) => ({ element: row, cells: [...row.cells].map((cell) =>
    ({ text: cell.textContent, sort: cell.dataset.sort })) });
  const ofData = (cells) => ({ cells: cells.map((cell) => {
    const [text, sort, colour] = Array.isArray(cell) ? cell : [cell];
    return { text, sort: sort ?? undefined, colour };
  }) });
  const make = (row, headings) => {
    if (row.element) return row.element;
    row.element = document.createElement("tr");
    row.element.append(...row.cells.map((cell, i) => {
      const made = document.createElement("td");
      made.className = headings[i].classList.contains("n") ? "n" : width(cell.text);
      if (cell.colour) {
        const dot = Object.assign(document.createElement("i"), { className: "dot" });
        dot.style.background = cell.colour;
        made.append(dot);
      }
      made.append(cell.text);
      return made;
    }));
    return row.element;
  };

  const key = ({ text, sort }) => {
    const value = String(sort ?? text.trim());
    return value === "" || value === "–" ? null
      : Number.isNaN(numeric(value)) ? value : numeric(value);
  };
  const order = (a, b) => typeof a === "number" && typeof b === "number"
    ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  const ordered = (rows, { column, up }) => column === null ? rows
    : rows.map((row) => [key(row.cells[column]), row])
      .sort(([a], [b]) => a === null || b === null
        ? (a === null) - (b === null) : (up ? 1 : -1) * order(a, b))
      .map(([, row]) => row);

  // "heads=1" finds heads=1 and not heads=16; other words are found anywhere.
  const finds = (word) => {
    const plain = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const pattern = new RegExp(/=.*\w$/.test(word) ? `${plain}(?![\\w.])` : plain, "i");
    return (row) => pattern.test(row.cells.map((cell) => cell.text).join(" "));
  };

  const wire = (table) => {
    const box = table.closest(".table"), data = box.querySelector(":scope > script");
    const headings = [...table.tHead.rows[0].cells];
    const rows = [...table.tBodies[0].rows].map(ofElement)
      .concat(data ? JSON.parse(data.textContent).map(ofData) : []);
    const view = { column: null, up: true, words: [], shown: SHOWN };
    const status = Object.assign(document.createElement("p"), { className: "rows" });
    const more = Object.assign(document.createElement("button"), { type: "button" });
    const said = document.createElement("span");
    status.setAttribute("aria-live", "polite");
    status.append(said, more);

    const show = () => {
      const kept = rows.filter((row) => view.words.every((found) => found(row)));
      const made = ordered(kept, view).slice(0, view.shown).map((row) => make(row, headings));
      table.tBodies[0].replaceChildren(...made);
      const rest = kept.length - made.length;
      said.textContent = kept.length < rows.length || rest
        ? `${made.length.toLocaleString("en")} of ${kept.length.toLocaleString("en")} rows`
          + (kept.length < rows.length ? ` that match, ${rows.length.toLocaleString("en")} in all` : "") : "";
      more.hidden = !rest;
      more.textContent = "show all";
    };
    const sort = (heading) => {
      const up = heading.getAttribute("aria-sort") !== "ascending";
      headings.forEach((one) => one.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", up ? "ascending" : "descending");
      Object.assign(view, { column: heading.cellIndex, up });
      show();
    };

    headings.forEach((heading) => {
      heading.tabIndex = 0;
      heading.addEventListener("click", () => sort(heading));
      heading.addEventListener("keydown", (event) => event.key === "Enter" && sort(heading));
    });
    more.addEventListener("click", () => { view.shown = Infinity; show(); });
    if (rows.length < FILTERED_FROM) return;
    const field = Object.assign(document.createElement("input"),
      { className: "filter", type: "search", placeholder: "Filter rows" });
    field.setAttribute("aria-label", "Filter rows");
    field.addEventListener("input", () => {
      view.words = field.value.split(/\s+/).filter(Boolean).map(finds);
      show();
    });
    box.prepend(field);
    box.append(status);
    show();
  };

  document.querySelectorAll("table.sortable").forEach(wire);
})();
