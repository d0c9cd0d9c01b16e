"""The names of the package: complete, loaded when used, and not hidden by folders of the same name."""

import ast
import subprocess
import sys
from pathlib import Path

import qutiperf
from qutiperf.errors import QutiperfError


def python(code: str) -> str:
    """Standard output of a new interpreter that runs the code."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_loads_nothing() -> None:
    heavy = "{'numpy', 'pandas', 'pydantic', 'yaml', 'typer', 'rich', 'typing', 'qutiperf.api'}"
    added = "set(sys.modules) - before"
    code = f"import sys; before = set(sys.modules); import qutiperf; print(sorted({heavy} & ({added})))"
    assert python(code) == "[]"


def test_all_names_are_there() -> None:
    assert set(qutiperf.__all__) <= set(dir(qutiperf))
    for name in qutiperf.__all__:
        assert getattr(qutiperf, name) is not None
    assert not hasattr(qutiperf, "mesure")


def test_type_checkers_see_the_same_names() -> None:
    """Each from the module that it is loaded from."""
    stub = ast.parse(Path(qutiperf.__file__).with_suffix(".pyi").read_text())
    imported = {
        alias.name: node.module
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }
    assert imported == vars(qutiperf)["_MODULES"]
    assert {*imported, "__version__"} == set(qutiperf.__all__)
    [declared] = [ast.literal_eval(node.value) for node in stub.body if isinstance(node, ast.Assign)]
    assert declared == qutiperf.__all__


def test_the_functions_hide_the_folders_of_their_names() -> None:
    """Also where a folder is imported before the function is used."""
    code = (
        "import inspect, qutiperf, qutiperf.run.child, qutiperf.explain.finding;"
        "from qutiperf import explain, run; from qutiperf.run.child import Nursery;"
        "print(*[inspect.isfunction(name) for name in (qutiperf.run, qutiperf.explain, explain, run)])"
    )
    assert python(code) == "True True True True"


def test_errors_are_one_family() -> None:
    for error in (qutiperf.InputError, qutiperf.SetupError, qutiperf.RunError):
        assert issubclass(error, qutiperf.QutiperfError)
    assert qutiperf.QutiperfError is QutiperfError
