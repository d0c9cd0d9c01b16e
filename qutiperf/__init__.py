"""qutiperf measures neural-network inference with MLPerf LoadGen, and shows what MLPerf hides.

The names in `__all__` are the Python interface (docs/python.md); `__init__.pyi` has their types. Each name
loads its module when it is first used: this file is also packed for devices, which need only the version.
"""

import sys
from importlib import import_module
from types import ModuleType

__version__ = "0.1.0"

_ERRORS = ("InputError", "QutiperfError", "RunError", "SetupError")
_MODULES = {
    "Explained": "qutiperf.explain",
    "Progress": "qutiperf.api.progress",
    "answers": "qutiperf.api.answers",
    "best": "qutiperf.api.choices",
    "explain": "qutiperf.api.explanations",
    "load": "qutiperf.api.frame",
    "measure": "qutiperf.api.sweeps",
    "plot": "qutiperf.api.figures",
    "predict": "qutiperf.api.theory",
    "requirements": "qutiperf.api.theory",
    "run": "qutiperf.api.sweeps",
    "submit": "qutiperf.api.submissions",
}
_MODULES.update(dict.fromkeys(_ERRORS, "qutiperf.errors"))
__all__ = [
    "Explained",
    "InputError",
    "Progress",
    "QutiperfError",
    "RunError",
    "SetupError",
    "__version__",
    "answers",
    "best",
    "explain",
    "load",
    "measure",
    "plot",
    "predict",
    "requirements",
    "run",
    "submit",
]


class _Package(ModuleType):
    """This package; its functions `run` and `explain` hide its folders of the same names."""

    def __setattr__(self, name: str, value: object) -> None:
        # the import system sets the folder as an attribute after its first import
        if not (name in _MODULES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> "list[str]":
    return sorted(set(globals()).union(__all__))
