"use strict";
// The pages with filters, cards, charts and a table: index, task, system, workload, and a chart alone.
(function (q) {
  q.page = JSON.parse(document.getElementById("page").textContent);
  let view = q.readView();
  const place = (id) => document.getElementById(id);
  const own = (row) => Object.entries(q.page.fixed).every(([name, value]) => row[name] === value);
  let rows = q.loadRows(q.data).filter(own);
  q.setSystems(q.counts(rows, "sut").map(([name]) => name));

  function change(changes, focus) {
    view = { ...view, ...changes };
    for (const [name, value] of Object.entries(view)) if (value === "" || value === null) delete view[name];
    q.writeView(view);
    draw();
    const again = focus && place(focus);
    if (again) again.focus();
  }
  const toggle = (chosen, all, name) => {
    const next = chosen.length ? (chosen.includes(name) ? chosen.filter((other) => other !== name) : [...chosen, name]) : [name];
    return next.length === all.length ? "" : next.join("|");
  };
  function chips(key, title, names, chosen, dots, next, present = names) {
    return q.element("div", { class: "group", role: "group", "aria-label": title }, title,
      names.map((name) => q.element("button", { type: "button", class: "chip", id: `chip-${key}-${names.indexOf(name)}`, "aria-pressed": String(!chosen.length || chosen.includes(name)), title: dots && !present.includes(name) ? "no row with the chosen datatypes" : null, style: dots && !present.includes(name) ? "opacity:0.75;border-style:dashed" : null,
        onclick: () => change({ [key]: next(name) }, `chip-${key}-${names.indexOf(name)}`) },
        dots ? q.element("span", { class: "dot", style: `background:${q.colour(name)}` }) : null, q.short(q.plain(name), 34))));
  }
  function filters(chosen) {
    const parts = [];
    if (chosen.tasks.length > 1) parts.push(q.select({ key: "task", label: "task", value: chosen.task, options: chosen.tasks.map((name) => [name, name]) }, change));
    if (chosen.scenarios.length > 1) parts.push(q.select({ key: "scenario", label: "scenario", value: chosen.scenario, options: chosen.scenarios.map((name) => [name, name]) }, change));
    if (chosen.availableDatatypes.length > 1) {
      parts.push(chips("datatype", "datatype", chosen.availableDatatypes, chosen.datatypes, false, (name) => {
        const next = chosen.datatypes.includes(name) ? chosen.datatypes.filter((other) => other !== name) : [...chosen.datatypes, name];
        return !next.length || next.length === chosen.availableDatatypes.length ? "all" : next.join("|");
      }));
    }
    const suts = q.counts(chosen.ofStatus, "sut").map(([name]) => name);
    if (suts.length > 1 && suts.length <= 24) parts.push(chips("sut", "system", suts, chosen.suts, true, (name) => toggle(chosen.suts, suts, name), q.values(chosen.ofStatus.filter((row) => row.datatype === null || chosen.datatypes.includes(row.datatype)), "sut")));
    else if (suts.length > 24) parts.push(q.select({ key: "sut", label: "system", value: view.sut || "", options: [["", "all"], ...suts.map((name) => [name, name])] }, change));
    const workloads = q.counts(chosen.ofStatus, "workload").map(([name]) => name).sort((a, b) => String(a).localeCompare(String(b), "en", { numeric: true }));
    if (workloads.length > 1) parts.push(q.select({ key: "workload", label: "workload", value: chosen.workloads[0] || "", options: [["", "all"], ...workloads.map((name) => [name, name])] }, change));
    const rates = ["system_throughput_ips", "compute_throughput_ips"].filter((name) => chosen.ofStatus.some((row) => q.known(row, name)));
    if (rates.length > 1) parts.push(q.select({ key: "rate", label: "throughput", value: chosen.rate, options: rates.map((name) => [name, q.title(name)]) }, change));
    if (chosen.limit !== null) {
      parts.push(q.element("label", {}, "top-1 at least ", q.element("input", { id: "accuracy", type: "number", step: "0.1", style: "width:90px", value: chosen.limit, onchange: (event) => change({ accuracy: event.target.value }, "accuracy") }), " %"));
    }
    if (Object.keys(view).length) parts.push(q.element("button", { type: "button", id: "reset", onclick: () => { view = {}; q.writeView(view); draw(); } }, "reset view"));
    return parts;
  }

  function card(title, big, lines, ...more) {
    return q.element("li", {}, q.element("h2", {}, title), q.element("p", { class: "big" }, big), lines.filter(Boolean).map((line) => (line instanceof HTMLParagraphElement ? line : q.element("p", {}, line))), ...more);
  }
  function cards(chosen) {
    const best = q.best(chosen.visible, chosen);
    const limited = chosen.limit !== null ? `top-1 of at least ${q.number(chosen.limit)} %` : "no accuracy is known, so there is no limit";
    return [
      card("1 · Fastest within the accuracy limit", best ? q.withUnit(chosen.rate, best[chosen.rate]) : "none", best ? [q.element("a", { href: q.link(best) }, q.short(q.plain(q.name(best)), 110)), (q.known(best, "top1_percent") ? `top-1 ${q.number(best.top1_percent)} %; ` : "") + limited, ["ok", "published"].includes(best.status) ? null : `marked ${q.plain(best.status).replace("_", " ")}`, hiddenFaster(best, chosen)] : [limited + "; no row shown here reaches it", hiddenFaster(null, chosen)]),
      cost(best, chosen), distance(best), comparability(chosen), validity(chosen),
    ];
  }
  const warning = (text) => q.element("p", { class: "warn" }, text);
  // A faster row that the marks hide, so that the answer does not look like the whole truth.
  function hiddenFaster(best, chosen) {
    const levels = q.levels[chosen.status];
    const hidden = chosen.ofScenario.filter((row) => levels && !levels.includes(row.status) && !["INVALID", "failed"].includes(row.status) && q.within(row, chosen.limit) &&
      (row.datatype === null || chosen.datatypes.includes(row.datatype)) && q.known(row, chosen.rate) && (!best || row[chosen.rate] > best[chosen.rate]));
    if (!hidden.length) return null;
    const most = hidden.reduce((one, other) => (other[chosen.rate] > one[chosen.rate] ? other : one));
    return warning(`hidden and faster: ${hidden.length === 1 ? "a row" : `${hidden.length.toLocaleString("en-US")} rows up to`} ${q.withUnit(chosen.rate, most[chosen.rate])}, ${q.plain(most.status).replace("_", " ")}`);
  }
  function cost(best, chosen) {
    if (!best) return card("2 · What it costs in latency", "–", []);
    const latency = q.latencyOf(best);
    const single = q.singleStream(best, chosen.ofTask);
    const lines = [latency ? `${q.title(latency.name)} of ${latency.name.startsWith("compute") ? "a batch" : "a query"}, ${q.plain(best.setting || "")}` : "no latency was measured"];
    if (single && single !== best) lines.push(`SingleStream p90 of the model: ${q.withUnit("system_latency_p90_ms", single.system_latency_p90_ms)}`);
    lines.push(q.known(best, "full_power_w") ? `${q.withUnit("full_power_w", best.full_power_w)}, ${q.withUnit("ips_per_watt", best.ips_per_watt ?? NaN)}` : "power: not measured");
    return card("2 · What it costs in latency", latency ? q.withUnit(latency.name, latency.value) : "–", lines);
  }
  function distance(best) {
    const title = "3 · How far from the roofline";
    if (!best) return card(title, "–", []);
    const roof = q.data.roofs.find((each) => each.sut === best.sut && /doubtful/.test(each.source));
    const doubt = roof ? warning("the peaks are doubtful: " + q.short(q.plain(roof.source.replace(/^.*?doubtful:? */, "")), 70)) : null;
    if (q.known(best, "compute_efficiency_percent")) {
      return card(title, `${q.number(best.compute_efficiency_percent, 3)} %`, [`of the throughput that level 0 predicts (${q.withUnit("predicted_throughput_ips", best.predicted_throughput_ips)})`,
        q.known(best, "utilisation_percent") ? `${q.number(best.utilisation_percent, 3)} % of the datatype's peak` : null, doubt]);
    }
    if (q.known(best, "utilisation_percent")) return card(title, `${q.number(best.utilisation_percent, 3)} %`, ["of the datatype's peak", q.known(best, "predicted_throughput_ips") ? "faster than the plain prediction, which does not describe this design" : null, doubt]);
    return card(title, "unknown", [q.known(best, "compute_gops") ? `it does ${q.withUnit("compute_gops", best.compute_gops)}` : null, "the system's file has no peaks; qutiperf calibrate measures them"]);
  }
  function comparability(chosen) {
    const parts = q.differences(chosen.visible);
    const others = chosen.availableDatatypes.filter((name) => !chosen.datatypes.includes(name));
    const lines = parts.map((part) => part.text);
    if (others.length) lines.push(`hidden: ${others.map(q.plain).join(", ")}`);
    if (chosen.scenarios.length > 1) lines.push(`other scenarios: ${chosen.scenarios.filter((name) => name !== chosen.scenario).map(q.plain).join(", ")}`);
    const buttons = others.length ? [q.element("button", { type: "button", id: "all-datatypes", onclick: () => change({ datatype: "all" }, "chip-datatype-0") }, "show all datatypes")] : [];
    return card("4 · What is not comparable", parts.length ? `${parts.length} ${parts.length === 1 ? "difference" : "differences"}` : "none seen", lines.slice(0, 5), ...buttons);
  }
  function validity(chosen) {
    const performance = chosen.ofScenario;
    const bad = performance.filter((row) => row.status === "INVALID" || row.status === "failed").length;
    const counts = q.counts(performance, "status").map(([name, count]) => `${count.toLocaleString("en-US")} ${name === "ok" ? "clean" : q.plain(name).replace("_", " ")}`).join(", ");
    const hidden = performance.length - chosen.ofStatus.length;
    const levels = { clean: "without noisy", marked: "with noisy", all: "with INVALID" };
    const buttons = Object.entries(levels).map(([level, text]) => q.element("button", { type: "button", id: "status-" + level, "aria-pressed": String(chosen.status === level), onclick: () => change({ status: level }, "status-" + level) }, text));
    return card("5 · What was not valid", bad ? `${bad.toLocaleString("en-US")} of ${performance.length.toLocaleString("en-US")}` : `0 of ${performance.length.toLocaleString("en-US")}`,
      [counts, hidden ? warning(`${hidden.toLocaleString("en-US")} hidden here`) : null, !chosen.hasClean && performance.length ? "every run is noisy or doubtful, so these are shown" : null], ...buttons);
  }

  const FIRST_CHARTS = 2;
  function charts(chosen, merged) {
    const all = merged.charts === "all";
    const width = (count) => Math.max(280, Math.floor((place("charts").clientWidth - (count > 1 ? 16 : 0)) / count) - 28);
    const columns = place("charts").clientWidth >= 1260 ? 2 : 1;
    const nodes = [];
    let more = false;
    for (const chart of q.charts) {
      if (!all && nodes.length >= FIRST_CHARTS) { more = more || chart.draw(merged, 600) !== null; if (more) break; continue; }
      const node = q.figure(chart, merged, change, width(columns));
      if (node) nodes.push(node);
    }
    place("charts").replaceChildren(...(nodes.length ? nodes : [q.element("p", { class: "empty" }, "No figures to draw with these filters.")]));
    place("more-charts").replaceChildren(...(more || all ? [q.element("button", { type: "button", id: "all-charts", "aria-expanded": String(all), onclick: () => change({ charts: all ? "" : "all" }, "all-charts") }, all ? "fewer charts" : "more charts")] : []));
  }
  function alone(chosen, merged) {
    const chart = q.charts.find((each) => each.id === view.chart) || q.charts[0];
    const node = q.figure(chart, merged, change, Math.max(280, place("charts").clientWidth - 28));
    place("charts").replaceChildren(node || q.element("p", { class: "empty" }, "No figures to draw with these filters."));
  }
  function draw() {
    const chosen = q.resolve(rows, view);
    const merged = { ...view, ...chosen };
    if (q.page.kind === "chart") alone(chosen, merged);
    else {
      place("filters").replaceChildren(...filters(chosen));
      place("cards").replaceChildren(...cards(chosen));
      charts(chosen, merged);
      place("rows").replaceChildren(q.table(view.runs === "all" ? rows : chosen.visible, view, change),
        q.element("p", {}, q.element("button", { type: "button", id: "runs", "aria-pressed": String(view.runs === "all"), onclick: () => change({ runs: view.runs === "all" ? "" : "all" }, "runs") }, "all rows, without these filters")));
    }
    document.documentElement.setAttribute("data-drawn", String(Math.round(performance.now())));
  }

  // ---- another report beside this one
  function overlay(text, name) {
    const parsed = q.parseCsv(text);
    if (!parsed.length || !["id", "sut", "workload"].every((column) => column in parsed[0])) throw new Error("is not the rows.csv of a report");
    for (const row of parsed) for (const column of Object.keys(row)) if (!q.columns[column]) delete row[column];
    rows = rows.filter((row) => !row.overlaid).concat(parsed.map((row) => ({ ...Object.fromEntries(Object.keys(q.columns).map((column) => [column, null])), ...row, source: name, overlaid: true })).filter(own));
    q.setSystems(q.counts(rows, "sut").map(([sut]) => sut));
  }
  q.parseCsv = function (text) {
    const lines = [];
    let [cell, line, quoted] = ["", [], false];
    for (let place = 0; place < text.length; place += 1) {
      const sign = text[place];
      if (quoted) {
        if (sign !== '"') cell += sign;
        else if (text[place + 1] === '"') { cell += '"'; place += 1; } else quoted = false;
      } else if (sign === '"') quoted = true;
      else if (sign === ",") { line.push(cell); cell = ""; }
      else if (sign === "\n") { line.push(cell.replace(/\r$/, "")); lines.push(line); [cell, line] = ["", []]; } else cell += sign;
    }
    if (cell || line.length) { line.push(cell); lines.push(line); }
    const [names, ...values] = lines;
    if (!names) return [];
    return values.map((cells) => Object.fromEntries(names.map((name, place) => {
      const text = cells[place] ?? "";
      const numeric = q.columns[name] && q.columns[name].kind !== "string" && text !== "" && Number.isFinite(Number(text));
      return [name, text === "" ? null : numeric ? Number(text) : text.replace(/^'(?=[=+\-@])/, "")];
    })));
  };
  const picker = place("overlay");
  if (picker) {
    picker.addEventListener("change", () => {
      const file = picker.files[0];
      if (!file) return;
      file.text().then((text) => { overlay(text, file.name); place("overlay-state").textContent = `${file.name} is shown beside these results`; draw(); })
        .catch((error) => { place("overlay-state").textContent = `${file.name} ${error.message}; choose data/rows.csv of another report`; });
    });
  }
  q.overlay = (text, name) => { overlay(text, name); draw(); };
  const theme = place("theme-place");
  if (theme) theme.append(q.themeButton(draw));
  window.addEventListener("hashchange", () => { view = q.readView(); draw(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { q.applyTheme(); draw(); });
  let width = window.innerWidth;
  window.addEventListener("resize", () => { if (window.innerWidth !== width) { width = window.innerWidth; draw(); } });
  draw();
})(window.qutiperf);
