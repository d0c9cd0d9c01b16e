"""The version is a literal in `qutiperf/__init__.py`; every other place that states it agrees."""

import ast
import re
import tomllib

import yaml

import qutiperf
from tests.places import CHECKOUT

SOURCE = (CHECKOUT / "qutiperf/__init__.py").read_text()


def test_it_is_a_literal() -> None:
    [value] = [
        node.value
        for node in ast.parse(SOURCE, feature_version=(3, 9)).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__"
    ]
    assert ast.literal_eval(value) == qutiperf.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", qutiperf.__version__)


def test_the_build_reads_it() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"] == {"path": "qutiperf/__init__.py"}


def test_the_citation_agrees() -> None:
    citation = yaml.safe_load((CHECKOUT / "CITATION.cff").read_text())
    assert citation["version"] == qutiperf.__version__
