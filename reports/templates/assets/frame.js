"use strict";
// The figure around a chart: title, choices, picture with a text alternative, its data, and how to save it.
(function (q) {
  const MOST_LISTED = 100;
  q.figure = function (chart, view, change, width) {
    const drawn = chart.draw(view, width);
    if (!drawn) return null;
    const plot = Plot.plot({ ...drawn.options, ariaLabel: null });
    const svg = plot instanceof SVGElement ? plot : plot.querySelector("svg");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", q.plain(q.short(`${chart.title} ${drawn.alt}`, 600)));
    svg.style.overflow = "visible";
    // the picture is one image with one label; Plot's labels of its parts would be attributes of nothing
    for (const part of svg.querySelectorAll("[aria-label], [aria-hidden], [aria-description]")) {
      for (const name of ["aria-label", "aria-hidden", "aria-description"]) part.removeAttribute(name);
    }
    if (drawn.rows.some((row) => row.id)) {
      plot.addEventListener("click", () => { if (plot.value && plot.value.id) location.href = q.link(plot.value); });
    }
    const node = q.element("figure", { class: "chart", id: "chart-" + chart.id, "data-points": drawn.rows.length },
      q.element("div", { class: "head" }, q.element("h3", {}, chart.title), ...(chart.selects ? chart.selects(view) : []).map((select) => q.select(select, change))),
      plot, q.element("figcaption", {}, drawn.note), drawn.legend ? q.legend(drawn.legend) : q.page.kind === "chart" ? q.legend(q.systemLegend(drawn.rows)) : null, q.tools(chart, drawn, svg, view));
    return node;
  };
  // On a page of its own a chart has no filters, which are the legend elsewhere.
  q.systemLegend = (rows) => [...new Set(rows.map((row) => row.sut))].filter((sut) => q.systems.includes(sut)).map((sut) => [sut, q.colour(sut)]);
  q.legend = (entries) => q.element("p", { class: "note legend" }, entries.map(([name, colour]) =>
    q.element("span", {}, q.element("span", { class: "dot", style: `background:${colour}` }), q.short(q.plain(name), 40))));
  q.select = function ({ key, label, value, options }, change) {
    const select = q.element("select", { id: "choose-" + key, onchange: (event) => change({ [key]: event.target.value }, "choose-" + key) },
      options.map(([name, text]) => q.element("option", { value: name, selected: name === value }, q.short(q.plain(text), 60))));
    return q.element("label", {}, label + " ", select);
  };
  q.tools = function (chart, drawn, svg, view) {
    const button = (text, action) => q.element("button", { type: "button", onclick: action, "aria-label": `${text}: ${chart.title}` }, text);
    const tools = q.element("div", { class: "tools" },
      button("SVG", () => q.save(new Blob([q.svgText(svg, drawn)], { type: "image/svg+xml" }), `qutiperf-${chart.id}.svg`)),
      button("PNG", () => q.png(svg, drawn).then((blob) => q.save(blob, `qutiperf-${chart.id}.png`))),
      button("CSV", () => q.save(new Blob([q.csv(drawn.columns, drawn.rows)], { type: "text/csv" }), `qutiperf-${chart.id}.csv`)));
    if (view && q.page.kind !== "run" && q.page.kind !== "chart") {
      tools.append(q.element("a", { href: q.page.base + "chart.html#" + q.chartAddress(chart.id), "aria-label": `Alone: ${chart.title}` }, "alone"));
    }
    const details = q.element("details", {}, q.element("summary", {}, "data"));
    details.addEventListener("toggle", () => { if (details.open && details.children.length === 1) details.append(q.listing(drawn)); });
    tools.append(details);
    return tools;
  };
  q.listing = function (drawn) {
    const rows = drawn.rows.slice(0, MOST_LISTED);
    const linked = rows.some((row) => row.id);
    const head = q.element("tr", {}, drawn.columns.map((name) => q.element("th", { scope: "col" }, q.titleUnit(name))), linked ? q.element("th", { scope: "col" }, "page") : null);
    const body = rows.map((row) => q.element("tr", {}, drawn.columns.map((name) => q.element("td", { class: typeof row[name] === "number" ? "number" : null }, q.short(q.text(row[name]), 60))),
      linked ? q.element("td", {}, row.id ? q.element("a", { href: q.link(row) }, q.short(q.plain(row.id), 20)) : null) : null));
    return q.element("div", {}, q.element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "data of the chart" }, q.element("table", {}, q.element("thead", {}, head), q.element("tbody", {}, body))),
      rows.length < drawn.rows.length ? q.element("p", { class: "note" }, `The first ${rows.length} of ${drawn.rows.length}; CSV has all.`) : null);
  };
  // The picture on its own: background, and a legend of the systems below.
  q.svgText = function (svg, drawn) {
    const copy = svg.cloneNode(true);
    const suts = [...new Set(drawn.rows.map((row) => row.sut).filter((sut) => sut && q.systems && q.systems.includes(sut)))];
    const [width, height] = [Number(svg.getAttribute("width")), Number(svg.getAttribute("height"))];
    const perLine = Math.max(1, Math.floor(width / 190));
    const total = height + Math.ceil(suts.length / perLine) * 18 + (suts.length ? 8 : 0);
    const ns = "http://www.w3.org/2000/svg";
    const make = (tag, attributes, text) => { const node = document.createElementNS(ns, tag); for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value); if (text) node.textContent = text; return node; };
    copy.setAttribute("xmlns", ns);
    copy.setAttribute("height", total);
    copy.setAttribute("viewBox", `0 0 ${width} ${total}`);
    copy.insertBefore(make("rect", { width, height: total, fill: q.theme() === "dark" ? "#14171c" : "#ffffff" }), copy.firstChild);
    suts.forEach((sut, place) => {
      const [x, y] = [20 + (place % perLine) * 190, height + 12 + Math.floor(place / perLine) * 18];
      copy.append(make("circle", { cx: x, cy: y - 4, r: 5, fill: q.colour(sut) }), make("text", { x: x + 11, y, fill: q.ink(), "font-size": 12 }, q.short(q.plain(sut), 24)));
    });
    return new XMLSerializer().serializeToString(copy);
  };
  q.png = function (svg, drawn) {
    return new Promise((resolve, reject) => {
      const image = new Image();
      image.onload = () => {
        const canvas = document.createElement("canvas");
        canvas.width = 2 * image.width;
        canvas.height = 2 * image.height;
        canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
        canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/png");
      };
      image.onerror = () => reject(new Error("the picture could not be drawn"));
      image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(q.svgText(svg, drawn));
    });
  };
  q.link = (row) => (row.mode && q.page.run_pages && !row.overlaid ? `${q.page.base}run/${encodeURIComponent(row.id)}.html` : `${q.page.base}row.html#id=${encodeURIComponent(row.id)}`);
  q.chartAddress = (id) => { const view = new URLSearchParams(location.hash.slice(1)); for (const [name, value] of Object.entries(q.page.fixed)) view.set(name, value); view.set("chart", id); return view.toString(); };
})(window.qutiperf);
