"use strict";
// Names that the other scripts share; text from results only ever becomes text nodes, never markup.
window.qutiperf = window.qutiperf || {};
(function (q) {
  q.element = function (tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value === true ? "" : String(value));
    }
    for (const child of children.flat()) {
      if (child === null || child === undefined) continue;
      node.append(child instanceof Node ? child : document.createTextNode(String(child)));
    }
    return node;
  };
  // Characters that would reorder or hide text are shown as their code.
  const hidden = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;
  q.plain = (value) =>
    String(value).replace(hidden, (sign) => "\\u" + sign.charCodeAt(0).toString(16).padStart(4, "0"));
  q.short = (text, most) => (text.length <= most ? text : text.slice(0, most - 1) + "…");
  q.number = function (value, digits = 4) {
    if (value === 0) return "0";
    if (!Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    if (size >= 10 ** (digits - 1)) return Math.round(value).toLocaleString("en-US");
    if (size < 1e-4) return value.toExponential(2);
    return String(Number(value.toPrecision(digits)));
  };
  q.text = function (value) {
    if (value === null || value === undefined) return "–";
    if (typeof value === "number") return q.number(value);
    if (typeof value === "boolean") return value ? "yes" : "no";
    return q.plain(value);
  };
  // The view is the fragment of the address, so that a link repeats it.
  q.readView = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  q.writeView = function (view) {
    const kept = Object.entries(view).filter(([, value]) => value !== null && value !== undefined && value !== "");
    const text = new URLSearchParams(kept.sort()).toString();
    if (text !== location.hash.slice(1)) {
      history.replaceState(null, "", location.pathname + location.search + (text ? "#" + text : ""));
    }
  };
  q.storedTheme = function () {
    try { return localStorage.getItem("qutiperf-theme"); } catch { return null; }
  };
  q.theme = () =>
    q.storedTheme() || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  q.applyTheme = () => document.documentElement.setAttribute("data-theme", q.theme());
  q.applyTheme();
  q.themeButton = function (redraw) {
    const label = () => (q.theme() === "dark" ? "Light" : "Dark");
    const button = q.element("button", { type: "button", id: "theme", onclick: () => {
      try { localStorage.setItem("qutiperf-theme", q.theme() === "dark" ? "light" : "dark"); } catch { return; }
      q.applyTheme();
      button.textContent = label();
      redraw();
    } }, label());
    return button;
  };
  q.save = function (blob, name) {
    const link = q.element("a", { href: URL.createObjectURL(blob), download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  const formula = /^[=+\-@\t\r]/;
  q.csvCell = function (value) {
    if (value === null || value === undefined) return "";
    if (typeof value !== "string") return String(value);
    const text = q.plain(value);
    const safe = formula.test(text) ? "'" + text : text;
    return /[",\n]/.test(safe) ? '"' + safe.replaceAll('"', '""') + '"' : safe;
  };
  q.csv = (names, rows) =>
    [names, ...rows.map((row) => names.map((name) => row[name]))]
      .map((line) => line.map(q.csvCell).join(",")).join("\n") + "\n";
})(window.qutiperf);
