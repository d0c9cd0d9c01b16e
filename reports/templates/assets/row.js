"use strict";
// One row of the table with all its columns: the page of a published result.
(function (q) {
  q.page = JSON.parse(document.getElementById("page").textContent);
  const rows = q.loadRows(q.data);
  function draw() {
    document.documentElement.setAttribute("data-drawn", "1");
    const id = q.readView().id;
    const row = rows.find((each) => each.id === id);
    const place = document.getElementById("facts");
    document.getElementById("title").textContent = row ? q.plain(q.name(row)) : "No such row";
    if (!row) { place.replaceChildren(q.element("dt", {}, "id"), q.element("dd", {}, "this report has no row with the id of the address")); return; }
    const names = Object.keys(q.columns).filter((name) => row[name] !== null);
    place.replaceChildren(...names.flatMap((name) => [q.element("dt", {}, q.title(name)), q.element("dd", {}, name === "url" && /^https?:\/\//.test(row.url) ? q.element("a", { href: row.url, rel: "noreferrer" }, q.plain(row.url)) : q.known(row, name) ? q.withUnit(name, row[name]) : q.text(row[name]))]));
  }
  document.getElementById("theme-place").append(q.themeButton(() => {}));
  window.addEventListener("hashchange", draw);
  draw();
})(window.qutiperf);
