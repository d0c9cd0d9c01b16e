"use strict";
// A page without charts: only the theme.
(function (q) {
  document.getElementById("theme-place").append(q.themeButton(() => {}));
  document.documentElement.setAttribute("data-drawn", "1");
})(window.qutiperf);
