"use strict";
// Figures: drawn when they come into view, recoloured with the page, exported light for print.
const figures = (() => {
  const PAPER = "#ffffff", INK = "#1d2430", PHONE_PX = 480;
  const plots = [...document.querySelectorAll("figure .plot")];
  const hovers = matchMedia("(hover: hover)").matches;
  const config = { displaylogo: false, responsive: true, displayModeBar: hovers ? "hover" : false,
    modeBarButtonsToRemove: ["toImage", "lasso2d", "select2d", "autoScale2d"] };
  const ink = () => getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();
  const described = (plot) => JSON.parse(plot.parentElement.querySelector("script").textContent);

  const draw = (plot) => {
    if (plot.drawn) return plot.drawn;
    const { data, layout } = described(plot);
    layout.font.color = ink();
    if (plot.clientWidth < PHONE_PX) {
      if (layout.margin.r <= 16) layout.margin = { ...layout.margin, l: 44, r: 6 };
      layout.font.size = 11;
      (layout.annotations ?? []).forEach((one) => {
        one.text = one.text?.replace(" ", "<br>");
        one.font = { ...one.font, size: 11 };
      });
      if (layout.annotations?.length) layout.margin.t += 14;
    }
    plot.drawn = Plotly.newPlot(plot, data, layout, config);
    return plot.drawn;
  };
  const drawAll = () => Promise.all(plots.filter((plot) => plot.offsetParent).map(draw));
  const recolour = () => plots.filter((plot) => plot.drawn).forEach((plot) =>
    Plotly.relayout(plot, { "font.color": ink() }));

  const text = (value) => String(value ?? "")
    .replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");
  const title = (axis, fallback) => text(axis?.title?.text) || fallback;
  const axisOf = (layout, trace, letter) =>
    layout[(trace[`${letter}axis`] ?? letter).replace(letter, `${letter}axis`)];
  const panel = (layout, trace) =>
    text(layout.annotations?.[Number((trace.xaxis ?? "x").slice(1) || 1) - 1]?.text);

  const named = ({ tickvals, ticktext }, value) =>
    ticktext ? text(ticktext[[...tickvals].indexOf(value)] ?? value) : value;

  // One row a point: panel and series first, so that figures of several traces stay one table.
  const rowsOf = (trace, layout) => {
    const series = text(trace.name);
    if (trace.type === "heatmap") {
      return trace.z.flatMap((row, i) => [...row].map((value, j) => ({ series,
        [title(layout.yaxis, "y")]: text(trace.y?.[i] ?? i),
        [title(layout.xaxis, "x")]: text(trace.x?.[j] ?? j), value,
        label: text(trace.text?.[i]?.[j]) })));
    }
    if (trace.type === "parcoords") {
      const { dimensions } = trace;
      return [...dimensions[0].values].map((_, i) => Object.fromEntries(
        dimensions.map((one) => [text(one.label), named(one, one.values[i])])));
    }
    if (trace.fill === "toself" || !trace.x || !trace.y) return [];
    const x = axisOf(layout, trace, "x"), y = axisOf(layout, trace, "y");
    const xName = title(x, panel(layout, trace) || "x"), yName = title(y, "y");
    const bars = (letter, end) => trace[`error_${letter}`]?.[end];
    return [...trace.x].map((value, i) => {
      const row = { series, [xName]: text(value), [yName]: text(trace.y[i]) };
      for (const letter of ["x", "y"]) {
        const up = bars(letter, "array");
        if (!up) continue;
        const name = letter === "x" ? xName : yName;
        row[`${name}, error up`] = up[i];
        row[`${name}, error down`] = (bars(letter, "arrayminus") ?? up)[i];
      }
      const said = trace.customdata?.[i] ?? (Array.isArray(trace.text) ? trace.text[i] : undefined);
      return said === undefined ? row : { ...row, label: text(said) };
    });
  };
  const cell = (value) => /[",\n]/.test(value) ? `"${value.replace(/"/g, '""')}"` : value;
  const csv = async (plot) => {
    await draw(plot);
    const rows = plot.data.flatMap((trace) => rowsOf(trace, plot.layout));
    const names = [...new Set(rows.flatMap(Object.keys))];
    const line = (values) => values.map((value) => cell(String(value ?? ""))).join(",");
    return [line(names), ...rows.map((row) => line(names.map((name) => row[name])))].join("\n") + "\n";
  };

  const wrapped = (words, most) => words.split(" ").reduce((lines, word) => {
    const last = lines.at(-1);
    return last && last.length + word.length < most
      ? [...lines.slice(0, -1), `${last} ${word}`] : [...lines, word];
  }, []);
  const image = (plot, format, caption) => {
    const { data, layout } = described(plot);
    const lines = wrapped(caption, 95).map((line) =>
      line.replace(/&/g, "&amp;").replace(/</g, "&lt;"));
    const room = 24 * lines.length + 14;
    layout.paper_bgcolor = PAPER;
    layout.font.color = INK;
    layout.margin = { ...layout.margin, t: layout.margin.t + room };
    layout.title = { text: lines.join("<br>"), font: { size: 16 }, x: 0.02, xanchor: "left",
      y: 1 - 12 / (layout.height + room), yref: "container", yanchor: "top" };
    const wide = plot.closest(".narrow") ? 640 : 1000;
    const sizes = { width: wide, height: layout.height + room, scale: format === "png" ? 2 : 1 };
    return Plotly.toImage({ data, layout }, { format, ...sizes });
  };
  const save = (url, name) =>
    Object.assign(document.createElement("a"), { href: url, download: name }).click();
  const exported = async (plot, format) => {
    const caption = plot.parentElement.querySelector("figcaption").firstChild.textContent;
    const part = plot.closest("section");
    const place = [...part.querySelectorAll(".plot")].indexOf(plot) + 1;
    const name = `${part.closest("article").querySelector(".name").textContent}-${part.className}-${place}.${format}`;
    if (format !== "csv") return save(await image(plot, format, caption), name);
    const url = URL.createObjectURL(new Blob([await csv(plot)], { type: "text/csv" }));
    save(url, name);
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  };
  const addButtons = (plot) => {
    const bar = Object.assign(document.createElement("span"), { className: "exports" });
    for (const format of ["png", "svg", "csv"]) {
      const button = Object.assign(document.createElement("button"),
        { type: "button", textContent: format, title: `Save this figure as ${format}` });
      button.addEventListener("click", () => exported(plot, format));
      bar.append(button);
    }
    plot.parentElement.querySelector("figcaption").append(bar);
  };

  plots.forEach(addButtons);
  const seen = new IntersectionObserver((entries) => entries.filter((one) => one.isIntersecting)
    .forEach((one) => { seen.unobserve(one.target); draw(one.target); }), { rootMargin: "600px" });
  plots.forEach((plot) => seen.observe(plot));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  matchMedia("print").addEventListener("change", recolour);
  addEventListener("beforeprint", drawAll);
  return { csv, draw, drawAll, image };
})();
