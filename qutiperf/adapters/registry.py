"""Finds adapters by name, entry point or file, and checks their options, without importing runtimes."""

import dataclasses
import importlib
import importlib.util
import json
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType

from packaging.requirements import Requirement
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from qutiperf.adapters import ADAPTERS
from qutiperf.adapters.base import Adapter
from qutiperf.errors import InputError, SetupError
from qutiperf.printable import error_text
from qutiperf.regular_file import unreadable
from qutiperf.spec.config import nearest, shortened

AnyAdapter = Adapter[object]
ENTRY_POINTS = "qutiperf.adapters"
NO_ADAPTER = "none"


def registered() -> dict[str, str]:
    """`module:Class` of every adapter by name: the shipped ones, then those of installed packages."""
    outside = {point.name: point.value for point in metadata.entry_points(group=ENTRY_POINTS)}
    return {**outside, **ADAPTERS}


def adapter_class(name: str) -> type[AnyAdapter]:
    """The class behind a registered name or `file.py:Class`; raises InputError, SetupError."""
    if name == NO_ADAPTER:
        raise InputError(
            f"adapter: '{NO_ADAPTER}' cannot run",
            cure="name an adapter in the SUT file; see docs/adapters.md",
        )
    if ".py:" in name:
        return _from_file(*name.rsplit(":", 1))
    # to read the entry points of all packages takes longer than to load a small model
    known = ADAPTERS if name in ADAPTERS else registered()
    if name not in known:
        raise InputError(f"adapter: '{name}' is not known", cure=f"{nearest(name, known)}, or file.py:Class")
    module, _, attribute = known[name].partition(":")
    return _checked(getattr(importlib.import_module(module), attribute), name)


def has_profiler(name: str) -> bool:
    """Whether an adapter can report the nodes that its runtime runs; raises as `adapter_class` does."""
    return adapter_class(name).profile is not Adapter.profile


def _from_file(path: str, attribute: str) -> type[AnyAdapter]:
    if (problem := unreadable(path)) is not None:
        cure = "the path is relative to the SUT file"
        raise InputError(f"adapter: {shortened(path)}: {problem}", cure=cure)
    module = _module_of_file(Path(path))
    if not hasattr(module, attribute):
        raise InputError(f"adapter: {path} defines no '{attribute}'", cure=nearest(attribute, vars(module)))
    return _checked(getattr(module, attribute), f"{path}:{attribute}")


def _module_of_file(path: Path) -> ModuleType:
    name = f"qutiperf_outside_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"adapter: {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise InputError(f"adapter: {path} cannot be imported: {error_text(error)}") from error
    return module


def _checked(adapter: object, name: str) -> type[AnyAdapter]:
    if not (isinstance(adapter, type) and issubclass(adapter, Adapter)):
        raise InputError(f"adapter: {name} is not a qutiperf.adapters.base.Adapter")
    if not dataclasses.is_dataclass(getattr(adapter, "options_type", None)):
        raise InputError(f"adapter: {name} has no options_type", cure="set it to a dataclass of its options")
    return adapter


def require_runtime(adapter: type[AnyAdapter], name: str, options: object = None) -> None:
    """Raises SetupError with the pip line if the adapter's runtime is missing or of another version.

    `options` may choose among several runtimes; without them, the adapter's default runtime is checked.
    """
    module = adapter.runtime_module if options is None else adapter.runtime_for(options)
    if module is None:
        return
    usual = adapter.extra and module == adapter.runtime_module
    package = f"'qutiperf[{adapter.extra}]'" if usual else module.replace("_", "-")
    if importlib.util.find_spec(module) is None:
        problem = f"its runtime {module} is not installed"
        raise SetupError(problem, where=f"adapter {name}", cure=f"pip install {package}")
    if adapter.extra and usual:
        _require_version(adapter.extra, name)


def _require_version(extra: str, name: str) -> None:
    """Checks the versions of the extra's packages, except for packages that are not installed."""
    for text in metadata.requires("qutiperf") or []:
        requirement = Requirement(text)
        if (
            requirement.marker is None
            or not requirement.marker.evaluate({"extra": extra})
            or requirement.marker.evaluate()
        ):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            problem = f"{requirement.name} {version} is installed, but {requirement.specifier} is required"
            cure = f"pip install '{requirement.name}{requirement.specifier}'"
            raise SetupError(problem, where=f"adapter {name}", cure=cure)


def option_names(adapter: type[AnyAdapter]) -> list[str]:
    options = adapter.options_type
    return [field.name for field in dataclasses.fields(options)] if dataclasses.is_dataclass(options) else []


def make_options(adapter: type[AnyAdapter], values: dict[str, object], where: str) -> object:
    """An instance of the adapter's options; raises InputError for an unknown name or a wrong type."""
    names = option_names(adapter)
    for name in values:
        if name not in names:
            raise InputError(f"options.{name}: unknown option", where=where, cure=nearest(name, names))
    try:
        validator = _validator(adapter.options_type)  # type: ignore[arg-type]  # classes are hashable
        return validator.validate_json(json.dumps(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(("options", *map(str, first["loc"])))
        message = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{key}: {message}, not {first['input']!r}", where=where) from None
    except (ValueError, TypeError) as error:
        raise InputError(f"options: {error}", where=where) from None


@cache
def _validator(options_type: type[object]) -> TypeAdapter[object]:
    if "__pydantic_config__" not in vars(options_type):
        with_config(ConfigDict(strict=True))(options_type)
    return TypeAdapter(options_type)
