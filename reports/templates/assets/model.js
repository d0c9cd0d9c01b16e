"use strict";
// Rows, filters, fronts and the answers of the cards.
(function (q) {
  const CLEAN = ["ok", "published", "generator_limited"];
  const MARKED = [...CLEAN, "noisy", "unstable", "suspect_accuracy", "doubtful", "audit_failed"];
  q.levels = { clean: CLEAN, marked: MARKED, all: null };

  q.loadRows = function (data) {
    const names = data.columns.map((column) => column.name);
    q.columns = Object.fromEntries(data.columns.map((column) => [column.name, column]));
    return data.values.map((cells) => Object.fromEntries(names.map((name, place) => [name, cells[place] ?? null])));
  };
  q.figures = () =>
    Object.values(q.columns).filter((column) => column.kind === "number" && column.better).map((column) => column.name);
  q.title = (name) => (q.columns[name] ? q.columns[name].title : name.replaceAll("_", " "));
  q.titleUnit = function (name) {
    const column = q.columns[name];
    return q.title(name) + (column && column.unit ? ", " + column.unit : "");
  };
  q.withUnit = function (name, value) {
    const unit = q.columns[name] ? q.columns[name].unit : "";
    return q.number(value) + (unit ? (unit === "%" ? " %" : " " + unit) : "");
  };
  q.known = (row, name) => typeof row[name] === "number" && Number.isFinite(row[name]);
  q.values = (rows, name) => [...new Set(rows.map((row) => row[name]).filter((value) => value !== null && value !== undefined))];
  q.counts = function (rows, name) {
    const counts = new Map();
    for (const row of rows) if (row[name] !== null && row[name] !== undefined) counts.set(row[name], (counts.get(row[name]) || 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1] || String(a[0]).localeCompare(String(b[0])));
  };
  q.isPerformance = (row) => row.mode === null || row.mode === undefined || row.mode === "PerformanceOnly";
  q.listed = (text) => (text ? text.split("|") : []);
  q.name = (row) =>
    [row.sut, row.operating_mode === "default" ? null : row.operating_mode, row.workload, row.datatype, row.setting]
      .filter(Boolean).join(" · ");
  q.configuration = (row) => [row.source, row.sut, row.operating_mode, row.workload, row.datatype, row.scenario].join("\u0001");

  // One task, one scenario and, at first, one datatype: unlike things are one click away, never mixed silently.
  q.resolve = function (rows, view) {
    const performance = rows.filter(q.isPerformance);
    const tasks = q.counts(performance, "task").map(([task]) => task);
    const systems = new Map(tasks.map((task) => [task, new Set(performance.filter((row) => row.task === task).map((row) => row.sut)).size]));
    const scored = new Set(performance.filter((row) => q.known(row, "top1_percent")).map((row) => row.task));
    // first the task on the most systems, and tasks with accuracy before layers and random data
    tasks.sort((a, b) => systems.get(b) - systems.get(a) || Number(scored.has(b)) - Number(scored.has(a)));
    const chosen = { task: tasks.includes(view.task) ? view.task : tasks[0] ?? null };
    const ofTask = performance.filter((row) => row.task === chosen.task);
    const scenarios = q.counts(ofTask, "scenario").map(([scenario]) => scenario);
    chosen.scenario = scenarios.includes(view.scenario) ? view.scenario
      : scenarios.includes("Offline") ? "Offline" : scenarios[0] ?? null;
    const ofScenario = ofTask.filter((row) => row.scenario === chosen.scenario);
    chosen.hasClean = ofScenario.some((row) => CLEAN.includes(row.status));
    chosen.status = q.levels[view.status] !== undefined ? view.status : chosen.hasClean ? "clean" : "marked";
    const levels = q.levels[chosen.status];
    const ofStatus = ofScenario.filter((row) => !levels || levels.includes(row.status));
    chosen.rate = q.rate(ofStatus, view.rate);
    chosen.limit = q.limit(ofStatus, view.accuracy);
    const datatypes = q.values(ofStatus, "datatype");
    const best = q.best(ofStatus, chosen);
    chosen.datatypes = view.datatype === "all" ? datatypes
      : view.datatype ? q.listed(view.datatype).filter((name) => datatypes.includes(name))
      : best && best.datatype ? [best.datatype] : datatypes;
    if (!chosen.datatypes.length) chosen.datatypes = datatypes;
    chosen.suts = q.listed(view.sut).filter((name) => q.values(ofStatus, "sut").includes(name));
    chosen.workloads = q.listed(view.workload).filter((name) => q.values(ofStatus, "workload").includes(name));
    const visible = ofStatus.filter((row) =>
      (row.datatype === null || chosen.datatypes.includes(row.datatype)) &&
      (!chosen.suts.length || chosen.suts.includes(row.sut)) &&
      (!chosen.workloads.length || chosen.workloads.includes(row.workload)));
    return { ...chosen, tasks, scenarios, all: rows, ofTask, ofScenario, ofStatus, visible, availableDatatypes: datatypes };
  };
  q.rate = function (rows, named) {
    const known = ["system_throughput_ips", "compute_throughput_ips"];
    if (known.includes(named)) return named;
    const [system, compute] = known.map((name) => rows.filter((row) => q.known(row, name)).length);
    return compute > system ? known[1] : known[0];
  };
  q.limit = function (rows, given) {
    const accuracies = rows.filter((row) => q.known(row, "top1_percent")).map((row) => row.top1_percent);
    if (!accuracies.length) return null;
    const number = Number(given);
    if (given !== undefined && given !== "" && Number.isFinite(number)) return number;
    return Math.floor(0.99 * Math.max(...accuracies) * 100) / 100;
  };
  q.within = (row, limit) => limit === null || (q.known(row, "top1_percent") && row.top1_percent >= limit);
  q.best = function (rows, chosen) {
    let best = null;
    for (const row of rows) {
      if (q.known(row, chosen.rate) && q.within(row, chosen.limit) && (!best || row[chosen.rate] > best[chosen.rate])) best = row;
    }
    return best;
  };

  const sign = (name) => (q.columns[name] && q.columns[name].better === "lower" ? -1 : 1);
  // Rows that no other row beats in both figures, in the order of x.
  q.front = function (rows, x, y) {
    const known = rows.filter((row) => q.known(row, x) && q.known(row, y));
    known.sort((a, b) => sign(x) * (b[x] - a[x]) || sign(y) * (b[y] - a[y]));
    const front = [];
    for (const row of known) {
      if (!front.length || sign(y) * (row[y] - front[front.length - 1][y]) > 0) front.push(row);
    }
    return front.sort((a, b) => a[x] - b[x]);
  };
  // At most `most` rows: the front and an even share of the rest.
  q.thin = function (rows, most, keep = []) {
    if (rows.length <= most) return rows;
    const kept = new Set(keep);
    const rest = rows.filter((row) => !kept.has(row));
    const free = Math.max(0, most - kept.size);
    for (let place = 0; place < free; place += 1) kept.add(rest[Math.floor((place * rest.length) / free)]);
    return [...kept];
  };
  q.scale = function (values) {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return low > 0 && high / low > 20 ? "log" : "linear";
  };

  // ---- what the cards answer
  q.latencyOf = function (row) {
    for (const name of ["system_latency_p90_ms", "system_latency_ms", "compute_latency_ms"]) {
      if (q.known(row, name)) return { name, value: row[name] };
    }
    return null;
  };
  q.singleStream = (row, rows) =>
    rows.find((other) => other.scenario === "SingleStream" && other.sut === row.sut && other.workload === row.workload &&
      other.operating_mode === row.operating_mode && other.source === row.source && q.known(other, "system_latency_p90_ms")) || null;
  q.differences = function (rows) {
    const names = { datatype: "datatypes", source: "sources", host: "hosts", versions: "sets of versions", operating_mode: "operating modes",
      power_source: "power meters", power_grade: "power grades", division: "divisions", availability: "availabilities", end_to_end: "" };
    const parts = [];
    const span = (name, text) => {
      const values = q.values(rows, name).filter(Number.isFinite);
      if (values.length > 1) parts.push({ name, text: text(q.number(Math.min(...values)), q.number(Math.max(...values))) });
    };
    span("top1_percent", (low, high) => `accuracy: top-1 from ${low} to ${high} %`);
    span("batch_size", (low, high) => `batch ${low} to ${high}: compare latencies at one batch`);
    for (const [name, plural] of Object.entries(names)) {
      const values = q.values(rows, name);
      const some = values.length && values.length < q.values(rows.map((row) => ({ v: row[name] ?? "none" })), "v").length;
      if (values.length > 1) parts.push({ name, text: `${values.length} ${plural}: ${q.short(values.map(q.plain).join(", "), 90)}` });
      else if (some && ["power_source", "end_to_end"].includes(name)) {
        const count = rows.filter((row) => row[name] !== null && row[name] !== undefined).length;
        parts.push({ name, text: name === "end_to_end" ? `${count} rows include decoding` : `power of ${count} rows is from ${q.plain(values[0])}` });
      }
    }
    return parts;
  };
})(window.qutiperf);
