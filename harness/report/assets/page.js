"use strict";
(() => {
  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    return { ink: style.getPropertyValue("--ink").trim() };
  };
  const plots = [...document.querySelectorAll("figure .plot")];
  const hovers = matchMedia("(hover: hover)").matches;
  const config = { displaylogo: false, responsive: true, displayModeBar: hovers ? "hover" : false,
    modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };

  const draw = (plot) => {
    const { data, layout } = JSON.parse(plot.parentElement.querySelector("script").textContent);
    layout.font.color = colours().ink;
    if (plot.clientWidth < 480) {
      layout.margin = { ...layout.margin, l: 44, r: 6 };
      layout.font.size = 11;
    }
    Plotly.newPlot(plot, data, layout, config);
  };
  const recolour = () => plots.forEach((plot) =>
    Plotly.relayout(plot, { "font.color": colours().ink }));
  plots.forEach(draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  matchMedia("print").addEventListener("change", recolour);

  const key = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.sort ?? cell.textContent.trim();
    const number = Number(text.replace(/,/g, ""));
    return text === "" || text === "–" ? null : Number.isNaN(number) ? text : number;
  };
  const order = (a, b) => typeof a === typeof b && typeof a === "number"
    ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });

  const sort = (table, heading) => {
    const up = heading.getAttribute("aria-sort") !== "ascending";
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => [key(row, heading.cellIndex), row]);
    keyed.sort(([a], [b]) => a === null || b === null
      ? (a === null) - (b === null) : (up ? 1 : -1) * order(a, b));
    table.querySelectorAll("th").forEach((one) => one.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    body.append(...keyed.map(([, row]) => row));
  };

  document.querySelectorAll("table.sortable").forEach((table) => {
    table.querySelectorAll("th").forEach((heading) => {
      heading.tabIndex = 0;
      heading.addEventListener("click", () => sort(table, heading));
      heading.addEventListener("keydown", (event) => event.key === "Enter" && sort(table, heading));
    });
    if (table.tBodies[0].rows.length < 6) return;
    const field = Object.assign(document.createElement("input"),
      { className: "filter", type: "search", placeholder: "Filter rows, such as heads=4" });
    field.setAttribute("aria-label", "Filter rows");
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of table.tBodies[0].rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
    });
    table.parentElement.before(field);
  });
})();
