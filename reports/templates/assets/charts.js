"use strict";
// Every chart is {id, title, selects(view), draw(view, width)}; draw returns null where there is nothing to show.
(function (q) {
  const COLOURS = ["#4269d0", "#d98b00", "#e4514a", "#2f9e90", "#3b8a3f", "#d1559b", "#8f5bd6", "#4aa3df", "#9c6b4e", "#7f8794",
    "#b8860b", "#5b7f00", "#00838f", "#ad1457"];
  const SYMBOLS = ["circle", "triangle", "square", "star", "wye", "cross"];
  const MOST_POINTS = 2000;
  const MOST_LINES = 12;
  const MOST_BARS = 18;
  q.setSystems = (suts) => { q.systems = suts; };
  q.colour = (sut) => COLOURS[Math.max(0, q.systems.indexOf(sut)) % COLOURS.length];
  q.symbolNames = SYMBOLS;

  const short = (value) => {
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 1e9) return q.number(value / 1e9, 3) + "G";
    if (size >= 1e6) return q.number(value / 1e6, 3) + "M";
    if (size >= 1e4) return q.number(value / 1e3, 3) + "k";
    return q.number(value, 3);
  };
  function ticks(low, high, room) {
    if (!(low > 0) || !Number.isFinite(high)) return [];
    const decades = [];
    for (let power = Math.ceil(Math.log10(low) - 1e-9); power <= Math.floor(Math.log10(high) + 1e-9); power += 1) decades.push(10 ** power);
    if (decades.length >= 3 || (room < 4 && decades.length === 2)) return decades.filter((_, place) => place % Math.ceil(decades.length / room) === 0);
    // d3 leaves labels of 5 out on axes of more than two decades
    const steps = Math.log10(high / low) > 2 ? [1, 3] : [1, 2, 5];
    const fine = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
      for (const step of steps) fine.push(step * 10 ** power);
    }
    const inside = fine.filter((value) => value >= low * 0.999 && value <= high * 1.001);
    return inside.filter((_, place) => place % Math.ceil(inside.length / room) === 0);
  }
  // An axis with the figure's unit; logarithmic where the values span more than 1:20, and the label says so.
  q.axis = function (name, values, room, extra = {}) {
    const kind = q.scale(values);
    const label = q.titleUnit(name) + (kind === "log" ? " (log)" : "");
    const [low, high] = [Math.min(...values), Math.max(...values)];
    if (kind === "log") return { type: "log", domain: [low / 1.15, high * 1.15], ticks: ticks(low / 1.15, high * 1.15, room), tickFormat: short, label, ...extra };
    const pad = (high - low) * 0.05 || Math.abs(high) * 0.05 || 1;
    return { type: "linear", domain: [low >= 0 ? Math.max(0, low - pad) : low - pad, high + pad], ticks: room, tickFormat: short, label, nice: false, ...extra };
  };
  const fromZero = (name, values, room) => ({ domain: [0, Math.max(...values) * 1.12 || 1], ticks: Math.max(3, room), tickFormat: short, label: q.titleUnit(name) });
  const ink = () => (q.theme() === "dark" ? "#e8eaee" : "#1b1f27");
  const faint = () => (q.theme() === "dark" ? "#39404c" : "#d5d9e0");
  const paper = () => (q.theme() === "dark" ? "#14171c" : "#ffffff");
  const tipStyle = () => ({ maxRadius: 30, fill: q.theme() === "dark" ? "#1d2128" : "#ffffff", stroke: faint() });
  const accent = () => (q.theme() === "dark" ? "#8ab8ff" : "#0b57c2");
  const base = (width, height) => ({ width, height, marginLeft: 62, marginBottom: 44, marginTop: 24, marginRight: 24,
    style: { background: "transparent", color: ink(), fontFamily: "system-ui, 'DejaVu Sans', sans-serif", fontSize: "12px", overflow: "visible" } });
  const room = (width) => Math.max(3, Math.floor((width - 90) / 85));
  const height = (width) => Math.round(Math.min(430, Math.max(300, width * 0.56)));

  q.tip = (row) => [q.name(row), row.status !== "ok" && row.status !== "published" ? "marked " + row.status : null,
    ...["top1_percent", "system_throughput_ips", "compute_throughput_ips", "system_latency_ms", "system_latency_p90_ms", "compute_latency_ms",
      "full_power_w", "ips_per_watt", "compute_efficiency_percent"].filter((name) => q.known(row, name)).map((name) => `${q.title(name)}: ${q.withUnit(name, row[name])}`)]
    .filter(Boolean).map((line) => q.short(q.plain(line), 110)).join("\n");
  const dot = (rows, x, y, extra = {}) => Plot.dot(rows, { x, y, fill: (row) => q.colour(row.sut), stroke: (row) => q.colour(row.sut),
    symbol: "circle", r: 3.6, fillOpacity: 0.55, strokeWidth: 1, title: q.tip, tip: tipStyle(), ...extra });
  const steps = (front, x, y, extra) => Plot.line(front, { x, y, curve: q.columns[x].better === "lower" ? "step-after" : "step-before", strokeWidth: 1.8, ...extra });
  // Text at the end of a bar: with a rim of the page's colour, so that lines behind it do not cross it.
  const value = (rows, extra) => Plot.text(rows, { dx: 5, textAnchor: "start", fill: ink(), stroke: paper(), strokeWidth: 3, ...extra });
  const label = (rows, x, y, text, extra = {}) => Plot.text(rows, { x, y, text, dy: -12, fontWeight: 600, fill: ink(), stroke: paper(), strokeWidth: 4, ...extra });

  // Best row of each group by the figure of the cards, best first.
  function bestOf(rows, key, figure) {
    const best = new Map();
    for (const row of rows) {
      if (!q.known(row, figure)) continue;
      const group = key(row);
      if (!best.has(group) || row[figure] > best.get(group)[figure]) best.set(group, row);
    }
    return [...best.values()].sort((a, b) => b[figure] - a[figure]);
  }
  const system = (row) => row.sut + (row.operating_mode && row.operating_mode !== "default" ? " " + row.operating_mode : "");
  // Labels of bars, shortened in their middle; equal ones get a number, or their bars would be drawn over each other.
  function labelled(rows, text, most) {
    const seen = new Map();
    return rows.map((row) => {
      const whole = q.plain(text(row));
      let name = whole.length <= most ? whole : whole.slice(0, Math.ceil(most / 2) - 1) + "…" + whole.slice(-Math.floor(most / 2));
      seen.set(name, (seen.get(name) || 0) + 1);
      if (seen.get(name) > 1) name += ` (${seen.get(name)})`;
      return { ...row, label: name };
    });
  }
  // What tells rows apart: the system is left out where all have the same, the datatype where the workload's name has it.
  const namer = (rows) => {
    const one = new Set(rows.map(system)).size === 1;
    return (row) => [one ? null : system(row), row.workload, String(row.workload).includes(String(row.datatype)) ? null : row.datatype].filter(Boolean).join(" ");
  };
  const leftOf = (rows) => Math.min(260, 24 + 6.6 * Math.max(4, ...rows.map((row) => row.label.length)));
  const most = (width) => (width < 500 ? 26 : 34);

  // ---- accuracy (or any figure) against any other, with its front
  const frontAxes = (view) => q.figures().filter((name) => view.ofStatus.some((row) => q.known(row, name)));
  q.frontAxes = function (view) {
    const known = frontAxes(view);
    const y = known.includes(view.y) ? view.y : known.includes("top1_percent") ? "top1_percent" : known.includes("system_latency_ms") ? "system_latency_ms" : known[1];
    const x = known.includes(view.x) ? view.x : known.includes(view.rate) && view.rate !== y ? view.rate : known.find((name) => name !== y);
    return { x, y, known };
  };
  const front = {
    id: "front", title: "Which setting?",
    selects: (view) => {
      const { x, y, known } = q.frontAxes(view);
      const options = known.map((name) => [name, q.title(name)]);
      const axes = [{ key: "y", label: "vertical", value: y, options }, { key: "x", label: "horizontal", value: x, options }];
      const both = [["both", "both"], ["measured", "measured"], ["predicted", "predicted"]];
      return predictedRows(view.visible, x, y).length ? [...axes, { key: "shown", label: "points", value: shownPoints(view), options: both }] : axes;
    },
    draw: function (view, width) {
      const { x, y } = q.frontAxes(view);
      if (!x || !y || x === y) return null;
      const known = view.visible.filter((row) => q.known(row, x) && q.known(row, y));
      const predicted = shownPoints(view) === "measured" ? [] : predictedRows(known, x, y);
      const alone = predicted.length > 0 && shownPoints(view) === "predicted";
      const rows = alone ? predicted : known;
      if (!rows.length) return null;
      const best = q.front(rows, x, y);
      const shown = q.thin(rows, MOST_POINTS, best);
      const predictedFront = predicted.length && !alone ? q.front(predicted, x, y) : [];
      const winner = alone ? null : q.best(view.visible, view);
      const inChart = winner && q.known(winner, x) && q.known(winner, y) ? [winner] : [];
      const xs = rows.map((row) => row[x]).concat(predictedFront.map((row) => row[x]));
      const marks = [Plot.gridX({ stroke: faint() }), Plot.gridY({ stroke: faint() })];
      if (y === "top1_percent" && view.limit !== null) marks.push(Plot.ruleY([view.limit], { stroke: accent(), strokeDasharray: "2,3" }));
      if (predictedFront.length > 1) marks.push(steps(predictedFront, x, y, { stroke: ink(), strokeDasharray: "5,4", strokeOpacity: 0.6 }));
      if (predictedFront.length) marks.push(Plot.dot(predictedFront, { x, y, symbol: "diamond", r: 4, stroke: (row) => q.colour(row.sut), strokeWidth: 1.3 }));
      if (best.length > 1) marks.push(steps(best, x, y, { stroke: ink() }));
      marks.push(dot(shown, x, y, alone ? { symbol: "diamond" } : {}), Plot.dot(best, { x, y, fill: (row) => q.colour(row.sut), stroke: ink(), r: 5, strokeWidth: 1.2 }));
      marks.push(Plot.dot(inChart, { x, y, r: 9, stroke: accent(), strokeWidth: 2.2 }));
      const ys = rows.map((row) => row[y]).concat(predictedFront.map((row) => row[y]));
      if (y === "top1_percent" && view.limit !== null) ys.push(view.limit);
      const axes = { x: q.axis(x, xs, room(width)), y: q.axis(y, ys, 6) };
      const text = inChart.length ? q.short(q.plain(`${winner.workload}, ${winner.setting}`), width < 500 ? 24 : 40) : "";
      if (inChart.length) marks.push(label(inChart, x, y, () => text, freePlace(winner, [...shown, ...predictedFront], x, y, axes, width, text)));
      return { rows: shown, columns: ["sut", "operating_mode", "workload", "datatype", "setting", x, y, "status"],
        options: { ...base(width, height(width)), ...axes, marks },
        note: `${best.length} of ${rows.length} ${alone ? "predicted " : ""}points are on the front (line).` +
          (predictedFront.length ? " Diamonds and the dashed line: the front that level 0 predicts." : "") +
          (inChart.length ? " Ringed: the fastest within the accuracy limit." : "") +
          (shown.length < rows.length ? ` ${shown.length.toLocaleString("en-US")} points are drawn.` : ""),
        alt: `${q.title(y)} against ${q.title(x)} of ${rows.length} points; on the front: ` + best.slice(0, 6).map((row) => `${q.name(row)} with ${q.withUnit(x, row[x])} at ${q.withUnit(y, row[y])}`).join("; ") };
    },
  };
  // Where a label covers the fewest points: above or below, to the left or to the right, inside the chart.
  function freePlace(row, others, x, y, axes, width, text) {
    const share = (axis, value) => (axis.type === "log" ? Math.log(value / axis.domain[0]) / Math.log(axis.domain[1] / axis.domain[0]) : (value - axis.domain[0]) / (axis.domain[1] - axis.domain[0]));
    const [wide, tall, length] = [width - 86, height(width) - 68, 8.5 * text.length];
    const place = (each) => [wide * share(axes.x, each[x]), tall * (1 - share(axes.y, each[y]))];
    const points = others.filter((each) => each !== row).map(place);
    const [left, top] = place(row);
    const cost = ({ anchor, dx, dy }) => {
      const from = left + dx - (anchor === "end" ? length : 0);
      // above the frame there is room, but not where the title of the axis is
      const above = top + dy < 6 && (top + dy < -14 || from < 7 * (axes.y.label.length + 2) - 50);
      const outside = Math.max(0, -from) + Math.max(0, from + length - wide) + (above || top + dy > tall - 6 ? 1e3 : 0);
      return 10 * outside + points.filter(([a, b]) => a > from - 4 && a < from + length + 4 && Math.abs(b - top - dy) < 11).length;
    };
    const places = [-19, 21].flatMap((dy) => [{ anchor: "start", dx: -8, dy }, { anchor: "end", dx: 8, dy }]);
    const best = places.reduce((one, other) => (cost(other) < cost(one) ? other : one));
    return { textAnchor: best.anchor, dx: best.dx, dy: best.dy };
  }
  const shownPoints = (view) => (["measured", "predicted"].includes(view.shown) ? view.shown : "both");
  // Level 0 predicts compute figures; a chart without one on either axis has no predicted points.
  const PREDICTED = { compute_throughput_ips: "predicted_throughput_ips", compute_latency_ms: "predicted_latency_ms" };
  function predictedRows(rows, x, y) {
    const names = [x, y].filter((name) => PREDICTED[name]);
    if (!names.length) return [];
    return rows.filter((row) => q.known(row, x) && q.known(row, y) && names.every((name) => q.known(row, PREDICTED[name])))
      .map((row) => ({ ...row, ...Object.fromEntries(names.map((name) => [name, row[PREDICTED[name]]])) }));
  }

  // ---- rooflines
  const rooflines = {
    id: "roofline", title: "How far from the roofline?",
    selects: (view) => {
      const suts = roofSystems(view);
      return suts.length > 1 ? [{ key: "roof", label: "system", value: roofSystem(view), options: suts.map((sut) => [sut, sut]) }] : [];
    },
    draw: function (view, width) {
      const sut = roofSystem(view);
      if (!sut) return null;
      const rows = view.ofStatus.filter((row) => row.sut === sut && hasRoof(row));
      const mode = (view.visible.find((row) => row.sut === sut) || rows[0]).operating_mode;
      const points = rows.filter((row) => row.operating_mode === mode);
      const roofs = q.data.roofs.filter((roof) => roof.sut === sut && roof.operating_mode === (mode || "default"));
      if (!points.length || !roofs.length) return null;
      const names = roofs.map((roof) => roof.datatype);
      const symbol = (name) => SYMBOLS[Math.max(0, names.indexOf(name)) % SYMBOLS.length];
      const intensities = points.map((row) => row.operational_intensity_ops_per_byte);
      const ridge = roofs.map((roof) => (roof.peak_tops * 1e3) / roof.memory_bandwidth_gb_s);
      const domain = [Math.min(...intensities, ...ridge) / 2.5, Math.max(...intensities, ...ridge) * 2.5];
      const lines = roofs.flatMap((roof) => [domain[0], (roof.peak_tops * 1e3) / roof.memory_bandwidth_gb_s, domain[1]]
        .map((x) => ({ datatype: roof.datatype, x, y: Math.min(roof.peak_tops * 1e3, x * roof.memory_bandwidth_gb_s) })));
      const achieved = points.map((row) => row.compute_gops);
      const ys = [...achieved, ...lines.map((line) => line.y)];
      const shown = q.thin(points, MOST_POINTS);
      const ends = [];
      for (const roof of [...roofs].sort((a, b) => b.peak_tops - a.peak_tops)) {
        const last = ends[ends.length - 1];
        if (last && Math.log(last.y / (roof.peak_tops * 1e3)) < 0.06 * Math.log(Math.max(...ys) / Math.min(...ys))) last.datatype += ", " + roof.datatype;
        else ends.push({ datatype: roof.datatype, x: domain[1], y: roof.peak_tops * 1e3, peak: roof.peak_tops });
      }
      const best = Math.max(...points.map((row) => row.utilisation_percent ?? -1));
      const networks = namedIntensities(points, domain, width);
      const [low, high] = [Math.min(...ys) / 1.5, Math.max(...ys) * 2];
      // room for the names below the lowest point
      const share = Math.min(0.45, (12 + 5.6 * Math.max(...networks.map((network) => network.name.length))) / (height(width) - 68));
      const bottom = Math.exp((Math.log(low) - share * Math.log(high)) / (1 - share));
      return { rows: shown, columns: ["sut", "operating_mode", "workload", "datatype", "setting", "operational_intensity_ops_per_byte", "compute_gops", "utilisation_percent"],
        options: { ...base(width, height(width)),
          x: { type: "log", domain, ticks: ticks(domain[0], domain[1], room(width)), tickFormat: short, label: "operational intensity, ops per byte of weights (log)" },
          y: { type: "log", domain: [bottom, high], ticks: ticks(bottom, high, 6), tickFormat: short, label: "GOP/s (log)" },
          marks: [Plot.gridX({ stroke: faint() }), Plot.gridY({ stroke: faint() }),
            Plot.ruleX([...new Set(intensities)], { stroke: faint(), strokeDasharray: "1,3" }),
            Plot.text(networks, { x: "x", frameAnchor: "bottom", text: "name", rotate: -90, textAnchor: "start", dx: -4, dy: -3, fontSize: 10, fill: ink(), stroke: paper(), strokeWidth: 3 }),
            Plot.line(lines, { x: "x", y: "y", z: "datatype", stroke: ink(), strokeWidth: 1.6 }),
            Plot.text(ends, { x: "x", y: "y", text: (end) => `${end.datatype} ${q.number(end.peak, 3)} TOP/s`, textAnchor: "end", dy: -9, fill: ink() }),
            dot(shown, "operational_intensity_ops_per_byte", "compute_gops", { symbol: (row) => symbol(row.datatype) })],
          symbol: { type: "identity" } },
        note: `${sut}${mode && mode !== "default" ? " " + mode : ""}: roofs of each datatype, with ${q.number(roofs[0].memory_bandwidth_gb_s)} GB/s of memory bandwidth; vertical lines: intensity of each network in its datatype. Points above the slope reuse weights over a batch or keep them on chip. ` +
          (names.length > 1 ? "Shapes: " + names.map((name) => `${symbol(name)} ${name}`).join(", ") + ". " : "") +
          (best >= 0 ? `The best point reaches ${q.number(best, 3)} % of its peak. ` : "") + (roofs[0].source ? `Peaks: ${q.short(q.plain(roofs[0].source), 220)}.` : ""),
        alt: `Roofline of ${sut} with ${points.length} measured points; the best reaches ${q.number(best, 3)} % of the peak` };
    },
  };
  // Network and datatype at its intensity, as many as have room beside each other.
  function namedIntensities(points, domain, width) {
    const names = new Map(points.map((row) => [`${row.workload}${String(row.workload).includes(String(row.datatype)) ? "" : " " + row.datatype}`, row.operational_intensity_ops_per_byte]));
    const place = (x) => ((width - 90) * Math.log(x / domain[0])) / Math.log(domain[1] / domain[0]);
    const placed = [];
    for (const [name, x] of [...names].sort((a, b) => a[1] - b[1])) {
      const last = placed[placed.length - 1];
      if (!last || place(x) - place(last.x) > 13) placed.push({ name: q.short(q.plain(name), width < 500 ? 18 : 26), x, more: 0 });
      else last.more += 1;
    }
    return placed.map((each) => ({ ...each, name: each.name + (each.more ? ` +${each.more}` : "") }));
  }
  const hasRoof = (row) => q.known(row, "operational_intensity_ops_per_byte") && q.known(row, "compute_gops");
  const roofSystems = (view) => q.values(view.ofStatus.filter(hasRoof), "sut").filter((sut) => q.data.roofs.some((roof) => roof.sut === sut));
  function roofSystem(view) {
    const suts = roofSystems(view);
    const winner = q.best(view.visible, view);
    return suts.includes(view.roof) ? view.roof : winner && suts.includes(winner.sut) ? winner.sut : suts[0] ?? null;
  }

  // ---- lines over the deployment parameter
  function lineChart(id, title, xNames, note) {
    return { id, title, selects: () => [], draw: function (view, width) {
      const counted = xNames.map((name) => [name, view.visible.filter((row) => q.known(row, name) && q.known(row, view.rate)).length]);
      const [x, count] = counted.reduce((best, each) => (each[1] > best[1] ? each : best));
      if (count < 2) return null;
      const rows = view.visible.filter((row) => q.known(row, x) && q.known(row, view.rate));
      const groups = new Map();
      for (const row of rows) groups.set(q.configuration(row), [...(groups.get(q.configuration(row)) || []), row]);
      const ranked = [...groups.values()].filter((group) => group.length > 1)
        .sort((a, b) => Number(b.some((row) => q.within(row, view.limit))) - Number(a.some((row) => q.within(row, view.limit))) || Math.max(...b.map((row) => row[view.rate])) - Math.max(...a.map((row) => row[view.rate])));
      // the best of every system before the second of any
      const turn = new Map();
      const ordered = ranked.map((group) => { const name = system(group[0]); turn.set(name, (turn.get(name) || 0) + 1); return [turn.get(name), group]; })
        .sort((a, b) => a[0] - b[0]).map(([, group]) => group).slice(0, MOST_LINES);
      const shown = ordered.flat().sort((a, b) => (a.batch_size || 1) * (a.streams || 1) - (b.batch_size || 1) * (b.streams || 1) || String(a.threads).localeCompare(String(b.threads)));
      if (shown.length < 2) return null;
      return { rows: shown, columns: ["sut", "operating_mode", "workload", "datatype", "setting", x, view.rate, "status"],
        options: { ...base(width, height(width)), x: q.axis(x, shown.map((row) => row[x]), room(width)), y: q.axis(view.rate, shown.map((row) => row[view.rate]), 6),
          marks: [Plot.gridX({ stroke: faint() }), Plot.gridY({ stroke: faint() }),
            Plot.line(shown, { x, y: view.rate, z: q.configuration, stroke: (row) => q.colour(row.sut), strokeWidth: 1.4 }), dot(shown, x, view.rate)] },
        note: `Each line is one configuration, from the smallest to the largest ${note}. ` + (ranked.length > ordered.length ? `${ordered.length} of ${ranked.length} configurations: the fastest of each system first; filter for others.` : ""),
        alt: `${q.title(view.rate)} against ${q.title(x)}, ${ordered.length} configurations` };
    } };
  }

  // ---- bars
  const fastest = {
    id: "fastest", title: "The fastest setting of each system",
    selects: () => [],
    draw: function (view, width) {
      const within = view.visible.filter((row) => q.within(row, view.limit));
      const rows = labelled(bestOf(within, (row) => system(row) + row.source, view.rate).slice(0, MOST_BARS), (row) => system(row), most(width));
      if (rows.length < 2) return null;
      const log = q.scale(rows.map((row) => row[view.rate])) === "log";
      const figure = view.rate;
      const x = log ? q.axis(figure, rows.map((row) => row[figure]), room(width) - 3) : fromZero(figure, rows.map((row) => row[figure]), room(width) - 3);
      const bars = log ? [Plot.ruleY(rows, { y: "label", stroke: faint() }), dot(rows, figure, "label", { r: 6 })]
        : [Plot.barX(rows, { x: figure, y: "label", fill: (row) => q.colour(row.sut), fillOpacity: 0.8, title: q.tip, tip: tipStyle() })];
      return { rows, columns: ["sut", "operating_mode", "workload", "datatype", "setting", figure, "predicted_throughput_ips", "top1_percent"],
        options: { ...base(width, 70 + 27 * rows.length), marginLeft: leftOf(rows), marginRight: width < 500 ? 60 : 200, x, y: { label: null, domain: rows.map((row) => row.label) },
          marks: [...bars, value(rows, { x: figure, y: "label", text: (row) => short(row[figure]) + (width < 500 ? "" : "  " + q.short(q.plain(row.setting || ""), 26)), dx: log ? 11 : 6 })] },
        note: (view.limit !== null ? `Top-1 of at least ${q.number(view.limit)} %; e` : "E") + "ach at its best setting." + (log ? " Dots, as bars have no zero on a logarithmic axis." : ""),
        alt: rows.map((row) => `${row.label}: ${q.withUnit(figure, row[figure])}`).join("; ") };
    },
  };
  const efficiency = {
    id: "efficiency", title: "Measured, in percent of the prediction",
    selects: () => [],
    draw: function (view, width) {
      const best = bestOf(view.visible, (row) => q.configuration(row), "compute_efficiency_percent").slice(0, MOST_BARS);
      const rows = labelled(best, namer(best), most(width));
      if (rows.length < 2) return null;
      return { rows, columns: ["sut", "operating_mode", "workload", "datatype", "setting", "compute_throughput_ips", "predicted_throughput_ips", "compute_efficiency_percent"],
        options: { ...base(width, 66 + 22 * rows.length), marginLeft: leftOf(rows), marginRight: 46, x: { domain: [0, 100], ticks: width < 500 ? [0, 50, 100] : 5, label: "compute throughput, % of level 0's prediction" }, y: { label: null, domain: rows.map((row) => row.label) },
          marks: [Plot.ruleX([100], { stroke: ink(), strokeDasharray: "4,3" }), Plot.barX(rows, { x: "compute_efficiency_percent", y: "label", fill: (row) => q.colour(row.sut), fillOpacity: 0.8, title: q.tip, tip: tipStyle() }),
            value(rows, { x: "compute_efficiency_percent", y: "label", text: (row) => q.number(row.compute_efficiency_percent, 2) + " %" })] },
        note: "The best setting of each configuration, most efficient first; configurations that exceed the prediction have no efficiency and are left out.",
        alt: rows.slice(0, 8).map((row) => `${row.label}: ${q.number(row.compute_efficiency_percent, 3)} %`).join("; ") };
    },
  };
  const MICROSECONDS = 1e6;
  const split = {
    id: "split", title: "System against compute: the time of one input",
    selects: () => [],
    draw: function (view, width) {
      const both = view.visible.filter((row) => q.known(row, "system_throughput_ips") && q.known(row, "compute_throughput_ips") && row.system_throughput_ips <= row.compute_throughput_ips);
      const best = bestOf(both, (row) => system(row) + row.workload + row.datatype, "system_throughput_ips").slice(0, MOST_BARS);
      const rows = labelled(best, namer(best), most(width));
      if (rows.length < 2) return null;
      const parts = rows.flatMap((row) => [
        { ...row, part: "compute", share: (100 * row.system_throughput_ips) / row.compute_throughput_ips },
        { ...row, part: "rest of the system", share: 100 - (100 * row.system_throughput_ips) / row.compute_throughput_ips }]);
      return { rows, columns: ["sut", "operating_mode", "workload", "datatype", "setting", "system_throughput_ips", "compute_throughput_ips"],
        options: { ...base(width, 66 + 22 * rows.length), marginLeft: leftOf(rows), marginRight: width < 500 ? 20 : 74, x: { domain: [0, 100], ticks: width < 500 ? [0, 50, 100] : 5, label: "share of the system's time, %" }, y: { label: null, domain: rows.map((row) => row.label) },
          marks: [Plot.barX(parts, { x: "share", y: "label", fill: (part) => q.colour(part.sut), fillOpacity: (part) => (part.part === "compute" ? 0.9 : 0.28), title: (part) => `${part.part}: ${q.number(part.share, 3)} %\n${q.tip(part)}`, tip: tipStyle() }),
            ...(width < 500 ? [] : [Plot.text(rows, { x: () => 100, y: "label", text: (row) => short(MICROSECONDS / row.system_throughput_ips) + " µs", dx: 6, textAnchor: "start", fill: ink() })])] },
        note: "Full colour: compute on the accelerator; pale: everything else between LoadGen and it. At the right the whole time per input.",
        alt: rows.slice(0, 8).map((row) => `${row.label}: compute is ${q.number((100 * row.system_throughput_ips) / row.compute_throughput_ips, 3)} %`).join("; ") };
    },
  };
  const boxes = {
    id: "boxes", title: "Spread over the settings",
    selects: (view) => {
      const { figure, topology, figures, topologies } = boxChoice(view);
      return topologies.length ? [{ key: "box", label: "figure", value: figure, options: figures.map((name) => [name, q.title(name)]) }, { key: "topology", label: "topology", value: topology, options: topologies.map((name) => [name, name]) }] : [];
    },
    draw: function (view, width) {
      const { figure, topology } = boxChoice(view);
      if (!figure || !topology) return null;
      const rows = view.ofStatus.filter((row) => row.topology === topology && q.known(row, figure) && (!view.suts.length || view.suts.includes(row.sut)))
        .map((row) => ({ ...row, group: q.short(q.plain(`${system(row)} ${row.datatype || ""}`), most(width)), scale: row.channel_scale_percent === null ? "all" : `${row.channel_scale_percent} %` }));
      const groups = [...new Set(rows.map((row) => row.group))].sort();
      const scales = [...new Set(rows.map((row) => row.scale))].sort((a, b) => parseFloat(b) - parseFloat(a));
      if (rows.length < 8 || groups.length > 24) return null;
      const bars = groups.length * scales.length;
      const axis = q.axis(figure, rows.map((row) => row[figure]), room(width) - 2);
      return { rows, columns: ["sut", "operating_mode", "workload", "datatype", "setting", figure],
        options: { ...base(width, 70 + Math.max(14, Math.min(18, 700 / bars)) * bars + 6 * groups.length), marginLeft: 66, marginRight: 12 + 6.6 * Math.max(...groups.map((group) => group.length)), x: axis,
          y: { label: scales.length > 1 ? "channels" : null, domain: scales }, fy: { label: null, domain: groups, padding: 0.08 },
          marks: [Plot.gridX({ stroke: faint() }), Plot.boxX(rows, { x: figure, y: "scale", fy: "group", fill: (row) => q.colour(row.sut), fillOpacity: 0.5, stroke: ink(), r: 1.8 }),
            Plot.dot(q.thin(rows, MOST_POINTS), { x: figure, y: "scale", fy: "group", r: 3, fill: (row) => q.colour(row.sut), fillOpacity: 0.01, title: q.tip, tip: tipStyle() })] },
        note: `One box for each number of channels: median, quartiles, whiskers to 1.5 times the box, over batch sizes, threads and streams of ${topology}.`,
        alt: `Spread of ${q.title(figure)} of ${topology} for ${groups.join(", ")}` };
    },
  };
  function boxChoice(view) {
    const topologies = q.counts(view.ofStatus, "topology").filter(([, count]) => count >= 8).map(([name]) => name);
    const topology = topologies.includes(view.topology) ? view.topology : topologies[0];
    const figures = ["compute_throughput_ips", "system_throughput_ips", "compute_latency_ms", "system_latency_ms", "full_power_w", "ips_per_watt", "compute_efficiency_percent"]
      .filter((name) => view.ofStatus.filter((row) => row.topology === topology && q.known(row, name)).length >= 8);
    return { topologies, topology, figures, figure: figures.includes(view.box) ? view.box : figures.includes(view.rate) ? view.rate : figures[0] };
  }
  const heatmap = {
    id: "heatmap", title: "What level 0 predicts: system by network",
    selects: () => [],
    draw: function (view, width) {
      const cells = bestOf(view.ofStatus, (row) => `${system(row)} ${row.datatype}\u0001${row.workload}`, "predicted_throughput_ips")
        .map((row) => ({ ...row, system: q.short(q.plain(`${system(row)} ${row.datatype || ""}`), most(width)), network: q.short(q.plain(row.workload), 24) }));
      const systems = [...new Set(cells.map((cell) => cell.system))].sort();
      const networks = [...new Set(cells.map((cell) => cell.network))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
      if (systems.length < 2 || networks.length < 2 || systems.length > 40 || networks.length > 40) return null;
      const [low, high] = [Math.min(...cells.map((cell) => cell.predicted_throughput_ips)), Math.max(...cells.map((cell) => cell.predicted_throughput_ips))];
      const wide = (width - 200) / networks.length;
      const strength = (cell) => Math.log(cell.predicted_throughput_ips / low) / Math.log(high / low || 2);
      return { rows: cells, columns: ["sut", "operating_mode", "workload", "datatype", "predicted_throughput_ips"],
        options: { ...base(width, 120 + 22 * systems.length), marginLeft: 24 + 6.6 * Math.max(...systems.map((name) => name.length)), marginBottom: 110, x: { label: null, domain: networks, tickRotate: -50 }, y: { label: null, domain: systems },
          color: { type: "log", domain: [low, high], range: ["#fdf3d8", "#0b3d91"], interpolate: "lab" },
          marks: [Plot.cell(cells, { x: "network", y: "system", fill: "predicted_throughput_ips", inset: 0.5, title: (cell) => `${cell.system} ${cell.network}\n${q.withUnit("predicted_throughput_ips", cell.predicted_throughput_ips)}`, tip: tipStyle() }),
            ...(wide > 42 ? [Plot.text(cells, { x: "network", y: "system", text: (cell) => short(Number(cell.predicted_throughput_ips.toPrecision(2))), fill: { value: (cell) => (strength(cell) > 0.5 ? "#ffffff" : "#1b1f27"), scale: null }, fontSize: 11 })] : [])] },
        note: "Best predicted throughput of the measured settings, inputs/s, on a logarithmic scale of two colours; empty where nothing was measured.",
        alt: `Predicted throughput of ${networks.length} networks on ${systems.length} systems, from ${short(low)} to ${short(high)} inputs/s` };
    },
  };
  const powerBars = {
    id: "power", title: "Power: base, idle, least and most under load",
    selects: () => [],
    draw: function (view, width) {
      const groups = new Map();
      for (const row of view.ofStatus) if (q.known(row, "full_power_w")) groups.set(system(row), [...(groups.get(system(row)) || []), row]);
      if (!groups.size) return null;
      const bars = [...groups].flatMap(([name, rows]) => {
        const full = rows.map((row) => row.full_power_w);
        const idle = rows.filter((row) => q.known(row, "idle_power_w")).map((row) => row.idle_power_w);
        const base = rows.filter((row) => q.known(row, "base_power_w")).map((row) => row.base_power_w);
        return [["base", base.length ? Math.min(...base) : null], ["idle", idle.length ? Math.min(...idle) : null], ["least", Math.min(...full)], ["most", Math.max(...full)]]
          .filter(([, watts]) => watts !== null).map(([kind, watts]) => ({ name: q.short(q.plain(name), most(width)), sut: rows[0].sut, kind, watts }));
      });
      const names = [...new Set(bars.map((bar) => bar.name))];
      if (names.length > 24) return null;
      const opacity = { base: 0.25, idle: 0.45, least: 0.7, most: 0.95 };
      return { rows: bars.map((bar) => ({ sut: bar.sut, setting: `${bar.name}, ${bar.kind}`, full_power_w: bar.watts })), columns: ["sut", "setting", "full_power_w"],
        options: { ...base(width, 66 + 74 * names.length), marginLeft: 52, marginRight: 16 + 6.8 * Math.max(...names.map((name) => name.length)), x: { domain: [0, Math.max(...bars.map((bar) => bar.watts)) * 1.12], ticks: room(width) - 2, label: "W" },
          y: { label: null, domain: ["base", "idle", "least", "most"] }, fy: { label: null, domain: names, padding: 0.12 },
          marks: [Plot.barX(bars, { x: "watts", y: "kind", fy: "name", fill: (bar) => q.colour(bar.sut), fillOpacity: (bar) => opacity[bar.kind], title: (bar) => `${bar.name}, ${bar.kind} power: ${q.number(bar.watts)} W`, tip: tipStyle() }), value(bars, { x: "watts", y: "kind", fy: "name", text: (bar) => q.number(bar.watts, 3) })] },
        note: "Meters and rails differ between systems: compare bars of one system, or rows with the same power source and grade.",
        alt: bars.map((bar) => `${bar.name} ${bar.kind}: ${q.number(bar.watts, 3)} W`).join("; ") };
    },
  };
  q.charts = [front, rooflines, fastest, lineChart("latency", "Throughput against latency", ["system_latency_ms", "compute_latency_ms"], "batch or number of streams"),
    efficiency, split, q.gapChart, lineChart("watts", "Throughput against power", ["full_power_w"], "batch or number of streams"), powerBars, boxes, heatmap];
  q.base = base; q.ticks = ticks; q.value = value; q.tipStyle = tipStyle; q.shortNumber = short; q.ink = ink; q.faint = faint; q.room = room;
})(window.qutiperf);
