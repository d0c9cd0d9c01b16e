"""The pages say what the code is."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from qutiperf.cli import app
from tests.places import CHECKOUT
from tests.test_layers import LAYERS


def test_the_reference_is_current() -> None:
    command = [sys.executable, str(CHECKOUT / "docs/make_reference.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0, "run python docs/make_reference.py"


def test_the_layers_are_those_of_the_design() -> None:
    page = (CHECKOUT / "docs/design.md").read_text()
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", page, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(len(LAYERS) - 1))
    assert [set(re.findall(r"`(\w+)`", modules)) for _, modules in rows] == LAYERS[:-1]


PAGES = sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md"), *CHECKOUT.glob("*/README.md")])


def broken_links(page: Path) -> list[str]:
    """Links to files that are not there, and to headings that the page they name does not have."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (heading and heading not in anchors(target)):
            broken.append(link)
    return broken


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub writes them into links."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# What `it` does, twice\n")
    page = tmp_path / "page.md"
    good = "[a](other.md) [b](other.md#what-it-does-twice) [c](https://x.org/none) [d](#here)\n# Here\n"
    page.write_text(f"{good}[e](none.md) [f](other.md#what) [g](#there)\n")
    assert broken_links(page) == ["none.md", "other.md#what", "#there"]


def test_every_page_of_the_docs_is_linked_from_the_readme() -> None:
    """Directly, or from a page that is."""
    seen, waiting = set(), [CHECKOUT / "README.md"]
    while waiting:
        page = waiting.pop()
        seen.add(page)
        links = re.findall(r"\]\(([^)\s#:]+\.md)", page.read_text())
        waiting += [path for link in links if (path := (page.parent / link).resolve()) not in seen]
    assert set((CHECKOUT / "docs").rglob("*.md")) <= seen


def test_the_changelog_keeps_its_form_and_names_every_verb() -> None:
    text = (CHECKOUT / "CHANGELOG.md").read_text()
    first, *released = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert first == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d", heading) for heading in released)
    groups = re.findall(r"^### (.+)\n\n(.)", text, re.MULTILINE)
    assert groups
    assert {group for group, _ in groups} <= {
        "Added",
        "Changed",
        "Deprecated",
        "Removed",
        "Fixed",
        "Security",
    }
    assert {sign for _, sign in groups} == {"-"}
    verbs = {command.name for command in app.registered_commands} | {
        group.name for group in app.registered_groups
    }
    assert len(verbs) > 10
    assert {verb for verb in verbs if not re.search(rf"`(qutiperf )?{verb}\b", text)} == set()


def test_python_in_the_pages_is_python() -> None:
    blocks = [
        (page.name, code)
        for page in (CHECKOUT / "docs").rglob("*.md")
        for code in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    ]
    assert "vendors.md" in {name for name, _ in blocks}
    for name, code in blocks:
        compile(code, name, "exec", flags=ast.PyCF_ONLY_AST)


def test_pages_are_in_plain_english() -> None:
    """The phrases that docs/style.md replaces; reference.md is generated from the code."""
    odd = re.compile(
        r"(?<![Tt]here )\b(is|are) no (?!longer)|\b(told|asked|said)\b"
        r"|\b(whatever|however) (long|often|many|the)\b"
        r"|\bleads? nowhere\b|\bone after the other\b|\bits (own )?words\b"
    )
    folders = ("docs", "audit", "reports", "scenarios", "sut")
    pages = [*CHECKOUT.glob("*.md"), *(page for name in folders for page in (CHECKOUT / name).rglob("*.md"))]
    assert len(pages) > 15
    for page in pages:
        if page.name not in ("style.md", "reference.md"):
            prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
            assert not (match := odd.search(prose)), f"{page.name}: {match and match[0]}"
