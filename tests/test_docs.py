"""The pages say what the code is."""

import ast
import re
import subprocess
import sys

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


def test_links_lead_somewhere() -> None:
    pages = [*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_changelog_has_the_version() -> None:
    assert "## Unreleased" in (CHECKOUT / "CHANGELOG.md").read_text()


def test_python_in_the_pages_is_python() -> None:
    blocks = [
        (page.name, code)
        for page in (CHECKOUT / "docs").rglob("*.md")
        for code in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    ]
    assert "vendors.md" in {name for name, _ in blocks}
    for name, code in blocks:
        compile(code, name, "exec", flags=ast.PyCF_ONLY_AST)
