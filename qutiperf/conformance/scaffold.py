"""Creates an adapter from the shipped example: its module, SUT file and test, renamed."""

import keyword
import re
from pathlib import Path

from qutiperf.adapters.registry import registered
from qutiperf.errors import InputError, SetupError
from qutiperf.spec import catalog

_EXAMPLE, _CLASS = "my_adapter", "MyAdapter"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_][A-Za-z0-9]+)*")


def write(name: str, folder: Path) -> tuple[Path, Path, Path]:
    """Paths of the module, the SUT file and the test; raises InputError if one exists or `name` is bad."""
    stem = _stem(name)
    files = {
        folder / f"{stem}.py": f"{_EXAMPLE}.py",
        folder / f"{stem}.yaml": f"{_EXAMPLE}.yaml",
        folder / f"test_{stem}.py": f"test_{_EXAMPLE}.py",
    }
    for path in files:
        if path.exists():
            raise InputError("exists already", where=str(path), cure="give another name or --folder")
    examples = catalog.root() / "sut/examples"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, source in files.items():
            path.write_text(_renamed((examples / source).read_text(encoding="utf-8"), stem), encoding="utf-8")
    except OSError as error:
        raise SetupError(f"cannot be written to: {error.strerror}", where=str(folder)) from None
    module, system, test = files
    return module, system, test


def _stem(name: str) -> str:
    """The name as the name of a Python module; raises InputError."""
    stem = name.replace("-", "_").lower()
    if not _NAME.fullmatch(name) or keyword.iskeyword(stem):
        raise InputError(f"'{name}' cannot name an adapter", cure="use letters, digits, and single - or _")
    taken = {*registered(), *catalog.names("sut"), _EXAMPLE}
    if stem in {each.replace("-", "_").lower() for each in taken}:
        raise InputError(f"'{name}' is the name of a shipped adapter", cure="give another name")
    return stem


def _renamed(text: str, stem: str) -> str:
    """The example under the new name, without its hardware verification."""
    named = text.replace(_EXAMPLE, stem).replace(_CLASS, "".join(map(str.capitalize, stem.split("_"))))
    named = re.sub(r"^title: .*$", f"title: {stem}", named, flags=re.MULTILINE)
    return re.sub(r"^verified_on_hardware: .*\n", "", named, flags=re.MULTILINE)
