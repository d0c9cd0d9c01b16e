"""Imports go downwards only, siblings on a line never import each other (docs/design.md, section 2)."""

import ast
from pathlib import Path

import pytest

from tests.places import PACKAGE

LAYERS: list[set[str]] = [
    {"errors", "units", "printable", "regular_file"},
    {"spec"},
    {"mlperf_logs", "host", "datasets", "models", "adapters", "loadgen"},
    {"level0", "device"},
    {"results"},
    {"explain", "harness"},
    {"run"},
    {"calibrate", "conformance", "device_file"},
    {"cli"},
    {"__main__"},
]
MODULES = sorted(PACKAGE.rglob("*.py"))


def level(name: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if name in layer)


def owner(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """First parts below qutiperf of everything a module imports, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            found |= {f"qutiperf.{alias.name}" for alias in node.names} if module == "qutiperf" else {module}
    return {name.split(".")[1] for name in found if name.startswith("qutiperf.")} - {"__version__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downwards(path: Path) -> None:
    mine = owner(path)
    if mine == "__init__":
        assert imported(path) == set()
        return
    for name in imported(path) - {mine}:
        assert level(name) < level(mine), f"{mine} (line {level(mine)}) imports {name} (line {level(name)})"


def test_every_module_has_a_line() -> None:
    owners = {owner(path) for path in MODULES} - {"__init__"}
    assert owners <= set().union(*LAYERS)


def test_only_loadgen_imports_loadgen() -> None:
    users = {owner(path) for path in MODULES if "import mlperf_loadgen" in path.read_text()}
    assert users == {"loadgen"}


def test_only_the_command_line_prints_or_exits() -> None:
    for path in MODULES:
        names = {
            node.func.id
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        if owner(path) not in {"cli"} and path.name != "__main__.py":
            assert not names & {"print", "exit", "quit"}, path


def test_no_file_is_long() -> None:
    assert [str(path) for path in MODULES if len(path.read_text().splitlines()) > 400] == []
