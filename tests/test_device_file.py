"""What is packed for a device: valid for Python 3.9, and needs the standard library and numpy alone."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qutiperf.device_file import _sources
from tests.places import PACKAGE

SOURCES = [name for name in _sources() if name.endswith(".py")]
# Imported in functions or for type checkers only; torch_onnx is itself imported in a function of torch's.
RUNTIMES = {
    "adapters/litert.py": set(),
    "adapters/onnxruntime.py": {"onnxruntime"},
    "adapters/onnxruntime_device.py": {"onnxruntime"},
    "adapters/onnxruntime_values.py": {"onnxruntime"},
    "adapters/openvino.py": {"openvino"},
    "adapters/openvino_checks.py": {"openvino"},
    "adapters/openvino_profile.py": {"openvino"},
    "adapters/torch.py": {"torch"},
    "adapters/torch_onnx.py": {"torch", "onnx"},
    "adapters/torch_tensors.py": {"torch"},
}


def tree(name: str) -> ast.Module:
    return ast.parse((PACKAGE / name).read_bytes(), feature_version=(3, 9))


def annotations(module: ast.Module) -> Iterator[ast.expr]:
    """Every annotation, and what annotations in quotes say."""
    for node in ast.walk(module):
        found: list[ast.expr | None] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found = [node.returns]
        elif isinstance(node, ast.arg | ast.AnnAssign):
            found = [node.annotation]
        for annotation in found:
            if annotation is not None:
                yield annotation
                quoted = [n.value for n in ast.walk(annotation) if isinstance(n, ast.Constant)]
                yield from (ast.parse(text, mode="eval").body for text in quoted if isinstance(text, str))


def unions(module: ast.Module) -> list[str]:
    """`X | Y` in annotations, which Python 3.9 cannot evaluate."""
    return [
        ast.unparse(annotation)
        for annotation in annotations(module)
        if any(
            isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) for node in ast.walk(annotation)
        )
    ]


def imports(module: ast.Module) -> set[str]:
    """First parts of everything it imports, in functions too."""
    found = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def test_what_is_packed() -> None:
    present = {path.relative_to(PACKAGE).as_posix() for path in (PACKAGE / "device").glob("*.py")}
    present |= {"__init__.py", "errors.py", "adapters/protocol.py", "adapters/open_inference.py"}
    assert present <= set(SOURCES)
    assert "adapters/registry.py" not in SOURCES


def test_every_packed_file_is_valid_for_python_3_9() -> None:
    vermin = Path(sys.executable).with_name("vermin")
    command = [str(vermin), "--target=3.9-", "--violations", "--eval-annotations", "--no-tips"]
    files = [str(PACKAGE / name) for name in SOURCES]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


@pytest.mark.parametrize("name", SOURCES)
def test_annotations_can_be_evaluated_by_python_3_9(name: str) -> None:
    assert unions(tree(name)) == []


def test_a_union_is_found_wherever_it_stands() -> None:
    text = 'def f(a: int | None, *b: "str | int") -> list[int | str]:\n    c: bytes | None = x | y\n'
    assert sorted(unions(ast.parse(text))) == ["bytes | None", "int | None", "list[int | str]", "str | int"]


@pytest.mark.parametrize("name", SOURCES)
def test_it_imports_the_standard_library_and_numpy_alone(name: str) -> None:
    allowed = {*sys.stdlib_module_names, "numpy", "qutiperf"} | RUNTIMES.get(name, set())
    assert imports(tree(name)) - allowed == set()


@pytest.mark.parametrize("name", SOURCES)
def test_it_imports_packed_files_alone(name: str) -> None:
    assert ours(name) <= set(SOURCES)


def ours(name: str) -> set[str]:
    """The files of the package that it imports, for type checkers too."""
    found = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "qutiperf":
            parts = (node.module or "").split(".")[1:]
            for alias in node.names:
                found |= {"/".join([*parts, alias.name]) + ".py", "/".join([*parts]) + ".py"}
            found.add("/".join([*parts, "__init__.py"]))
    return {each for each in found if (PACKAGE / each).is_file()}


def test_no_packed_files_import_each_other_in_a_circle() -> None:
    below = {name: ours(name) for name in SOURCES if not name.endswith("__init__.py")}
    while below:
        leaves = {name for name, needs in below.items() if not needs & set(below)}
        assert leaves, f"these import each other: {sorted(below)}"
        below = {name: needs for name, needs in below.items() if name not in leaves}
