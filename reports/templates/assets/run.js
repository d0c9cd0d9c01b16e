"use strict";
// The page of one run: phases, percentiles, histogram, throughput over the run, the machine's state.
(function (q) {
  q.page = JSON.parse(document.getElementById("page").textContent);
  q.columns = {};
  q.setSystems([]);
  const details = q.page.details;
  const place = document.getElementById("charts");
  const paint = { queue: "#7f8794", late: "#7f8794", prepare: "#4aa3df", gather: "#2f9e90", transfer: "#d98b00", compute: "#4269d0", respond: "#d1559b" };
  const ms = (value) => q.number(value, 3) + " ms";
  // The value nearest to the pointer.
  const near = (rows, x, y, title) => Plot.tip(rows, Plot.pointerX({ x, y, title, ...q.tipStyle() }));
  const phases = { id: "phases", title: "Phases of a query, mean", draw: function (view, width) {
    const offline = details.scenario === "Offline"; // its samples wait in the only query, so their queue is the length of the run
    const rows = details.phases.filter((row) => row.mean_ms > 0 && !(offline && row.phase === "queue"));
    if (!rows.length) return null;
    const total = rows.reduce((sum, row) => sum + row.mean_ms, 0);
    return { rows: rows.map((row) => ({ ...row, share_percent: (100 * row.mean_ms) / total })), columns: ["phase", "mean_ms", "share_percent"],
      options: { ...q.base(width, 60 + 32 * rows.length), marginLeft: 84, marginRight: 130, x: { domain: [0, Math.max(...rows.map((row) => row.mean_ms)) * 1.05], ticks: Math.max(2, q.room(width) - 3), tickFormat: q.shortNumber, label: "ms" }, y: { label: null, domain: rows.map((row) => row.phase) },
        marks: [Plot.barX(rows, { x: "mean_ms", y: "phase", fill: (row) => paint[row.phase] || "#9c6b4e", title: (row) => `${row.phase}: ${ms(row.mean_ms)}`, tip: q.tipStyle() }), q.value(rows, { x: "mean_ms", y: "phase", text: (row) => `${ms(row.mean_ms)}, ${q.number((100 * row.mean_ms) / total, 2)} %` })] },
      note: (offline ? "Offline: the wait in the run's only query is left out. " : "They add up to LoadGen's latency of a query. ") + "Phases that took no time are left out.", alt: rows.map((row) => `${row.phase} ${ms(row.mean_ms)}`).join("; ") };
  } };
  const percentiles = { id: "percentiles", title: "Latency percentiles", draw: function (view, width) {
    const order = ["p50", "p90", "p95", "p97", "p99", "p99_9", "max"];
    const rows = details.percentiles.filter((row) => row.ms > 0).sort((a, b) => order.indexOf(a.percentile) - order.indexOf(b.percentile));
    if (rows.length < 2) return null;
    const values = rows.map((row) => row.ms);
    const log = Math.max(...values) / Math.min(...values) > 20;
    const colour = (row) => (row.what === "compute" ? "#4269d0" : "#d98b00");
    const names = order.filter((name) => rows.some((row) => row.percentile === name));
    return { rows, columns: ["what", "percentile", "ms"],
      options: { ...q.base(width, 300), x: { label: "percentile", domain: names, tickFormat: (name) => name.replace("_", ".") }, y: { ...(log ? { type: "log", domain: [Math.min(...values) / 1.3, Math.max(...values) * 1.3], ticks: q.ticks(Math.min(...values) / 1.3, Math.max(...values) * 1.3, 6) } : { domain: [0, Math.max(...values) * 1.1], ticks: 5 }), tickFormat: q.shortNumber, label: log ? "ms (log)" : "ms" },
        marks: [Plot.gridY({ stroke: q.faint() }), Plot.line(rows, { x: "percentile", y: "ms", z: "what", stroke: colour }), Plot.dot(rows, { x: "percentile", y: "ms", fill: colour, r: 4, title: (row) => `${row.what} ${row.percentile}: ${ms(row.ms)}`, tip: q.tipStyle() })] },
      note: (rows.some((row) => row.what !== "compute") ? "Orange: LoadGen's latency of a query; blue: c" : "C") + "ompute of a batch.", alt: rows.map((row) => `${row.what} ${row.percentile} ${ms(row.ms)}`).join("; ") };
  } };
  const phaseNames = Object.keys(details.histograms).filter((name) => details.histograms[name].length > 1);
  const histogram = { id: "histogram", title: "Histogram of the time",
    selects: (view) => (phaseNames.length > 1 ? [{ key: "phase", label: "of", value: view.phase, options: phaseNames.map((name) => [name, name === "total" ? "the whole query" : name]) }] : []),
    draw: function (view, width) {
      const bins = details.histograms[view.phase];
      if (!bins) return null;
      const rows = bins.map(([from, to, count]) => ({ from_ms: from, to_ms: to, count }));
      const above = rows.length > 80 ? rows[rows.length - 1] : null;
      const drawn = above ? rows.slice(0, -1) : rows;
      const log = drawn[0].from_ms > 0 && drawn[drawn.length - 1].to_ms > 20 * drawn[0].from_ms;
      return { rows, columns: ["from_ms", "to_ms", "count"],
        options: { ...q.base(width, 300), x: { ...(log ? { type: "log" } : {}), domain: [drawn[0].from_ms, drawn[drawn.length - 1].to_ms], ticks: log ? q.ticks(drawn[0].from_ms, drawn[drawn.length - 1].to_ms, q.room(width)) : q.room(width), tickFormat: q.shortNumber, label: log ? "ms (log)" : "ms" }, y: { domain: [0, Math.max(...drawn.map((row) => row.count)) * 1.05], ticks: 5, tickFormat: q.shortNumber, label: "batches" },
          marks: [Plot.gridY({ stroke: q.faint() }), Plot.rectY(drawn, { x1: "from_ms", x2: "to_ms", y: "count", fill: "#4269d0", inset: 0, title: (row) => `${ms(row.from_ms)} to ${ms(row.to_ms)}: ${q.number(row.count)} batches`, tip: q.tipStyle() }), Plot.ruleY([0], { stroke: q.ink() })] },
        note: (log ? "Bins of equal ratio" : "Bins of equal width") + ", up to the 99.9th percentile." + (above ? ` ${above.count} more are up to ${ms(above.to_ms)}.` : ""), alt: `${drawn.length} bins from ${ms(drawn[0].from_ms)} to ${ms(drawn[drawn.length - 1].to_ms)}` };
    } };
  const over = (id, title, columns, name, unit, note = "") => ({ id, title, draw: function (view, width) {
    const xs = columns.elapsed_s;
    if (!xs || !columns[name] || xs.length < 2) return null;
    const rows = xs.map((x, place) => ({ elapsed_s: x, [name]: columns[name][place] })).filter((row) => row.elapsed_s !== null && row[name] !== null);
    if (rows.length < 2) return null;
    const values = rows.map((row) => row[name]);
    return { rows, columns: ["elapsed_s", name],
      options: { ...q.base(width, 240), x: { domain: [Math.min(...rows.map((row) => row.elapsed_s)), Math.max(...rows.map((row) => row.elapsed_s))], ticks: q.room(width), label: "time since the start, s" }, y: { domain: [0, Math.max(...values) * 1.1 || 1], ticks: 5, tickFormat: q.shortNumber, label: unit },
        marks: [Plot.gridY({ stroke: q.faint() }), Plot.line(rows, { x: "elapsed_s", y: name, stroke: "#4269d0" }), ...(rows.length < 60 ? [Plot.dot(rows, { x: "elapsed_s", y: name, r: 2.5, fill: "#4269d0" })] : []),
          near(rows, "elapsed_s", name, (row) => `${q.number(row.elapsed_s)} s: ${q.number(row[name])} ${unit}`)] },
      note, alt: `from ${q.number(Math.min(...values))} to ${q.number(Math.max(...values))} ${unit}` };
  } });
  const hold = { id: "held", title: "Throughput while the run was held", draw: function (view, width) {
    const rows = (details.held.intervals || []).map(([begin_s, end_s, throughput_ips]) => ({ begin_s, end_s, throughput_ips }));
    if (rows.length < 2) return null;
    const end = rows[rows.length - 1].end_s;
    const values = rows.map((row) => row.throughput_ips);
    const signs = details.held.signs.map(([at_s, text]) => ({ at_s, text: q.plain(text) }));
    const windowed = details.held.window_s ? [[0, details.held.window_s], [end - details.held.window_s, end]] : [];
    const top = Math.max(...values) * 1.1 || 1;
    return { rows, columns: ["begin_s", "end_s", "throughput_ips"],
      options: { ...q.base(width, 260), x: { domain: [0, end], ticks: q.room(width), label: "time since the first query, s" }, y: { domain: [0, top], ticks: 5, tickFormat: q.shortNumber, label: "inputs/s" },
        marks: [Plot.rectY(windowed, { x1: (each) => each[0], x2: (each) => each[1], y: top, fill: q.faint(), fillOpacity: 0.6 }), Plot.gridY({ stroke: q.faint() }),
          Plot.line(rows.flatMap((row) => [{ x: row.begin_s, y: row.throughput_ips }, { x: row.end_s, y: row.throughput_ips }]), { x: "x", y: "y", stroke: "#4269d0" }),
          Plot.ruleX(signs, { x: "at_s", stroke: "#e4514a", strokeWidth: 1.6, strokeDasharray: "4,3", title: (sign) => `${q.number(sign.at_s)} s: ${sign.text}` }),
          near(rows, (row) => (row.begin_s + row.end_s) / 2, "throughput_ips", (row) => `${q.number(row.begin_s)} to ${q.number(row.end_s)} s: ${q.number(row.throughput_ips)} inputs/s`)] },
      note: (details.held.percent ? `The last shaded window has ${q.number(details.held.percent, 3)} % of the throughput of the first. ` : "") + (signs.length ? "Dashed: " + signs.slice(0, 3).map((sign) => `${q.number(sign.at_s, 3)} s ${sign.text}`).join("; ") + "." : "No sign of throttling."),
      alt: `from ${q.number(Math.min(...values))} to ${q.number(Math.max(...values))} inputs/s over ${q.number(end)} s` };
  } };
  const rails = Object.keys(details.power);
  const railColours = ["#4269d0", "#d98b00", "#2f9e90", "#d1559b", "#8f5bd6", "#7f8794"];
  const power = { id: "power-over-time", title: "Power over time", draw: function (view, width) {
    const rows = rails.flatMap((rail) => details.power[rail].map(([elapsed_s, watts]) => ({ rail, elapsed_s, watts })));
    if (rows.length < 2) return null;
    const values = rows.map((row) => row.watts);
    const ends = rows.map((row) => row.elapsed_s);
    const shown = rails.slice(0, railColours.length);
    return { rows, columns: ["rail", "elapsed_s", "watts"],
      options: { ...q.base(width, 260), x: { domain: [Math.min(...ends), Math.max(...ends)], ticks: q.room(width), label: "time since the first reading, s" }, y: { domain: [Math.min(0, ...values), Math.max(...values) * 1.1 || 1], ticks: 5, tickFormat: q.shortNumber, label: "W" },
        marks: [Plot.gridY({ stroke: q.faint() }), Plot.line(rows, { x: "elapsed_s", y: "watts", z: "rail", stroke: (row) => railColours[rails.indexOf(row.rail) % railColours.length] }),
          near(rows, "elapsed_s", "watts", (row) => `${q.plain(row.rail)}, ${q.number(row.elapsed_s)} s: ${q.number(row.watts)} W`)] },
      legend: shown.map((rail) => [rail, railColours[rails.indexOf(rail)]]),
      note: "The readings of the meters, from a second before the measured window to one after it." + (rails.length > shown.length ? ` ${rails.length} rails share ${shown.length} colours; data has all.` : ""),
      alt: `${rails.length} rails, from ${q.number(Math.min(...values))} to ${q.number(Math.max(...values))} W` };
  } };
  const titles = { foreign_cpu_percent: "Other processes", load_1min: "Load of the machine", cpu_frequency_mhz: "CPU frequency, mean", cpu_frequency_max_mhz: "CPU frequency, fastest core",
    steal_percent: "Time that the hypervisor took", memory_pressure_percent: "Time that processes waited for memory", throttle_count: "Throttling of the processor, events", temperature_c: "Temperature", power_w: "Power" };
  const units = { percent: "%", mhz: "MHz", c: "°C", w: "W", "1min": "processes, mean of a minute", count: "events" };
  const named = (name) => titles[name] || (name[0].toUpperCase() + name.slice(1)).replaceAll("_", " ");
  const measured = Object.keys(details.environment).filter((name) => name !== "elapsed_s");
  const still = measured.filter((name) => details.environment[name].every((value) => !value));
  const timelines = measured.filter((name) => !still.includes(name))
    .map((name, place) => over("over-" + name, named(name), details.environment, name, units[name.split("_").pop()] || name.split("_").pop(), place || !still.length ? "" : `Zero throughout: ${still.map((each) => named(each).toLowerCase()).join(", ")}.`));
  const charts = [phases, percentiles, histogram, over("sustained", "Compute throughput over the run", details.sustained, "compute_throughput_ips", "inputs/s"), hold, power, ...timelines];
  let view = q.readView();
  function draw() {
    const merged = { ...view, phase: phaseNames.includes(view.phase) ? view.phase : phaseNames.includes("compute") ? "compute" : phaseNames[0] };
    const width = place.clientWidth >= 1260 ? Math.floor((place.clientWidth - 16) / 2) - 28 : Math.max(280, place.clientWidth - 28);
    const change = (changes, focus) => { view = { ...view, ...changes }; q.writeView(view); draw(); const again = document.getElementById(focus); if (again) again.focus(); };
    const nodes = charts.map((chart) => q.figure(chart, merged, change, width)).filter(Boolean);
    place.replaceChildren(...(nodes.length ? nodes : [q.element("p", { class: "empty" }, "This run has no times: it failed, or measured accuracy.")]));
    document.documentElement.setAttribute("data-drawn", String(Math.round(performance.now())));
  }
  document.getElementById("theme-place").append(q.themeButton(draw));
  window.addEventListener("hashchange", () => { view = q.readView(); draw(); });
  window.addEventListener("resize", draw);
  draw();
})(window.qutiperf);
