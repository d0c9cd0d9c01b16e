"use strict";
// A table that sorts and filters; sorting and search are part of the address.
(function (q) {
  const PAGE = 50;
  const FIRST = ["sut", "operating_mode", "workload", "datatype", "setting", "scenario", "top1_percent", "system_throughput_ips", "compute_throughput_ips",
    "system_latency_ms", "system_latency_p90_ms", "compute_latency_ms", "full_power_w", "ips_per_watt", "compute_efficiency_percent", "status", "reasons"];
  q.tableColumns = function (rows, everything) {
    const names = everything ? Object.keys(q.columns) : FIRST.filter((name) => q.columns[name]);
    const used = names.filter((name) => rows.some((row) => row[name] !== null && row[name] !== undefined));
    return everything ? used : used.filter((name) => name === "sut" || name === "workload" || q.known(rows[0] || {}, name) || q.columns[name].kind === "number" || new Set(rows.map((row) => row[name])).size > 1);
  };
  q.sorted = function (rows, sort) {
    if (!sort) return rows;
    const down = sort.startsWith("-");
    const name = sort.replace(/^-/, "");
    if (!q.columns[name]) return rows;
    const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
    return [...rows].sort((a, b) => {
      const [left, right] = [a[name] ?? null, b[name] ?? null];
      if (left === null || right === null) return left === right ? 0 : left === null ? 1 : -1;
      return down ? compare(right, left) : compare(left, right);
    });
  };
  q.matching = function (rows, search) {
    const words = (search || "").toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return rows;
    return rows.filter((row) => { const text = Object.values(row).join(" ").toLowerCase(); return words.every((word) => text.includes(word)); });
  };
  q.table = function (rows, view, change) {
    const everything = view.columns === "all";
    const names = q.tableColumns(rows, everything);
    const matches = q.sorted(q.matching(rows, view.search), view.sort);
    const most = Math.min(matches.length, Math.max(PAGE, Number(view.rows) || PAGE));
    const search = q.element("input", { id: "search", type: "search", value: view.search || "", onchange: (event) => change({ search: event.target.value }, "search") });
    const bar = q.element("div", { class: "filters" }, q.element("label", {}, "search ", search),
      q.element("button", { type: "button", id: "columns", "aria-pressed": String(everything), onclick: () => change({ columns: everything ? "" : "all" }, "columns") }, "all columns"),
      q.element("button", { type: "button", id: "csv", onclick: () => q.save(new Blob([q.csv(Object.keys(q.columns), matches)], { type: "text/csv" }), "qutiperf-rows.csv") }, "CSV of these rows"),
      q.element("span", { class: "note", role: "status" }, `${most.toLocaleString("en-US")} of ${matches.length.toLocaleString("en-US")} rows`));
    const head = q.element("tr", {}, q.element("th", { scope: "col" }, "page"), names.map((name) => {
      const state = view.sort === name ? "ascending" : view.sort === "-" + name ? "descending" : "none";
      const mark = { ascending: " ▲", descending: " ▼", none: "" }[state];
      return q.element("th", { scope: "col", "aria-sort": state, class: q.columns[name].kind === "string" ? null : "number" },
        q.element("button", { type: "button", id: "sort-" + name, title: q.columns[name].description || null, onclick: () => change({ sort: view.sort === "-" + name ? name : "-" + name }, "sort-" + name) }, q.titleUnit(name) + mark));
    }));
    const body = matches.slice(0, most).map((row) => q.element("tr", {}, q.element("td", {}, q.element("a", { href: q.link(row), "aria-label": q.short(q.plain(row.id || ""), 14) + ", page of " + q.short(q.plain(q.name(row)), 90) }, q.short(q.plain(row.id || ""), 14))),
      names.map((name) => q.element("td", { class: name === "status" ? "status-" + String(row.status).replace(/\W/g, "") : typeof row[name] === "number" ? "number" : String(row[name] ?? "").length > 40 ? "wide" : null }, q.short(q.text(row[name]), 300)))));
    const node = q.element("div", { id: "table" }, bar, q.element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "rows" }, q.element("table", {}, q.element("thead", {}, head), q.element("tbody", {}, body))));
    if (most < matches.length) node.append(q.element("p", {}, q.element("button", { type: "button", id: "more", onclick: () => change({ rows: String(most + 10 * PAGE) }, "more") }, "more rows")));
    return node;
  };
})(window.qutiperf);
