# ruff: noqa: E501 - expressions of the browser are easier to read on one line
"""What is seen of a page in a browser."""

import json
from pathlib import Path

from tests.browser import Browser

DRAWN = "document.documentElement.hasAttribute('data-drawn')"
WIDTHS = (390, 1600)
# pairs of texts of one chart whose boxes overlap by more than 1.5 pixels both ways
OVERLAPS = """
[...document.querySelectorAll('figure.chart svg')].flatMap((svg) => {
  const texts = [...svg.querySelectorAll('text')].filter((text) => text.textContent.trim() && !text.closest('[aria-label=tip]'));
  const boxes = texts.map((text) => text.getBoundingClientRect());
  const found = [];
  for (let a = 0; a < boxes.length; a += 1) for (let b = a + 1; b < boxes.length; b += 1) {
    const wide = Math.min(boxes[a].right, boxes[b].right) - Math.max(boxes[a].left, boxes[b].left);
    const high = Math.min(boxes[a].bottom, boxes[b].bottom) - Math.max(boxes[a].top, boxes[b].top);
    if (wide > 1.5 && high > 1.5 && !rotated(texts[a]) && !rotated(texts[b])) {
      found.push(svg.closest('figure').id + ': ' + texts[a].textContent + ' / ' + texts[b].textContent);
    }
  }
  function rotated(text) { return (text.getAttribute('transform') || '').includes('rotate'); }
  return found;
})
"""
# charts without a mark that has a size
BLANK = """
[...document.querySelectorAll('figure.chart')].filter((figure) =>
  ![...figure.querySelectorAll('svg circle, svg rect, svg path, svg line')].some((mark) => {
    const box = mark.getBoundingClientRect();
    return box.width > 0 || box.height > 0;
  })).map((figure) => figure.id)
"""


def show(page: Browser, site: Path, path: str, width: int = 1600, dark: bool = False) -> None:
    """Opens a page; fails on any error of its scripts and on any request that leaves the disk."""
    page.errors.clear()
    page.resize(width)
    page.dark(dark)
    page.open(f"{site.resolve().as_uri()}/{path}")
    page.wait(DRAWN)
    assert page.errors == []


def text(page: Browser, selector: str) -> str:
    return str(page.value(f"document.querySelector({json.dumps(selector)}).innerText"))


def click(page: Browser, selector: str) -> None:
    page.value(f"document.querySelector({json.dumps(selector)}).click()")


def one_of_each(site: Path) -> list[str]:
    """A page of every kind that the site has."""
    folders = [site / name for name in ("task", "system", "workload", "run") if (site / name).is_dir()]
    pages = [next(iter(sorted(folder.iterdir()))).relative_to(site).as_posix() for folder in folders]
    alone = ["chart.html", "row.html#id=none", *(["beside.html"] if (site / "beside.html").exists() else [])]
    return ["index.html#charts=all", *(f"{path}#charts=all" for path in pages), *alone]


def check_layout(page: Browser, name: str) -> None:
    assert page.value("document.documentElement.scrollWidth <= window.innerWidth"), f"{name} is too wide"
    assert page.value(BLANK) == [], name
    assert page.value(OVERLAPS) == [], name
