"""What a device serves, as one JSON object, and the adapter instances that it takes."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Optional

from qutiperf.adapters import ADAPTERS
from qutiperf.adapters.base import Adapter, InputTensor, Model, Quantization
from qutiperf.errors import InputError, QutiperfError, RunError

AnyAdapter = Adapter[Any]  # its options are known when it is loaded
MEGA = 1_000_000
_RANGES: dict[str, tuple[float, float]] = {
    "streams": (1, 1000),
    "batch_size": (1, 1_000_000),
    "port": (0, 65535),
    "max_request_mb": (0.001, 100_000.0),
    "idle_timeout_s": (0.1, 1e6),
    "max_connections": (1, 10_000),
}


@dataclass(frozen=True)
class Configuration:
    """`adapter` is a shipped name or `file.py:Class`; files of TLS and token are paths, none is empty.

    `batch_size` is the largest batch of a request, `streams` the number of loaded instances. A connection
    above `max_connections` is refused.
    """

    adapter: str
    model: Model
    options: dict[str, object] = field(default_factory=dict)
    model_name: str = "model"
    streams: int = 1
    batch_size: int = 64
    host: str = "127.0.0.1"
    port: int = 8123
    token_file: str = ""
    certificate: str = ""
    key: str = ""
    max_request_mb: float = 256.0
    idle_timeout_s: float = 3600.0
    max_connections: int = 128


def read_configuration(text: str, where: str) -> Configuration:
    """From JSON; raises InputError for an unknown key, a missing one or a wrong type."""
    try:
        data = json.loads(text)
        model = dict(data.pop("model"))
        for name in ("input_quantization", "output_quantization"):
            if model.get(name) is not None:
                model[name] = Quantization(float(model[name][0]), int(model[name][1]))
        model["input_shape"] = tuple(int(size) for size in model["input_shape"])
        model["more_inputs"] = tuple(_tensor(one, where) for one in model.get("more_inputs", ()))
        model["more_outputs"] = tuple(str(name) for name in model.get("more_outputs", ()))
        _check_names(data, Configuration, where)
        _check_names(model, Model, f"{where}: model")
        made = Configuration(model=Model(**model), **data)
    except RecursionError:
        raise InputError("cannot be read: it is nested too deeply", where=where) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"cannot be read: {type(error).__name__}: {error}", where=where) from None
    check_configuration(made, where)
    return made


def _tensor(data: dict[str, Any], where: str) -> InputTensor:
    """An input as JSON holds it; raises InputError, TypeError, ValueError."""
    _check_names(data, InputTensor, f"{where}: model.more_inputs")
    return InputTensor(**{**data, "shape": tuple(int(size) for size in data["shape"])})


def check_configuration(configuration: Configuration, where: str) -> None:
    """Types and ranges, which the dataclass does not look at; raises InputError."""
    for each in dataclasses.fields(Configuration):
        if each.name in _RANGES:
            lowest, highest = _RANGES[each.name]
            _check_number(each.name, getattr(configuration, each.name), lowest, highest, where)
        elif each.name not in ("model", "options"):
            _check_text(each.name, getattr(configuration, each.name), where)
    if not isinstance(configuration.options, dict):
        raise InputError("options: is not an object of names and values", where=where)
    for name in ("adapter", "model_name", "host"):
        if not getattr(configuration, name):
            raise InputError(f"{name}: is empty", where=where)
    if bool(configuration.certificate) != bool(configuration.key):
        given, missing = ("certificate", "key") if configuration.certificate else ("key", "certificate")
        cure = "TLS needs both; a PEM file that holds both is named twice"
        raise InputError(f"{given} is given without {missing}", where=where, cure=cure)


def _check_number(name: str, value: object, lowest: float, highest: float, where: str) -> None:
    whole = isinstance(lowest, int)
    fits = type(value) is int or (not whole and type(value) is float and math.isfinite(value))
    if not fits or not lowest <= value <= highest:  # type: ignore[operator]  # a number by now
        kind = "a whole number" if whole else "a number"
        raise InputError(f"{name}: {value!r} is not {kind} from {lowest} to {highest}", where=where)


def _check_text(name: str, value: object, where: str) -> None:
    if not isinstance(value, str) or "\0" in value:
        raise InputError(f"{name}: {value!r} is not text", where=where)


def _check_names(data: dict[str, object], kind: type[Any], where: str) -> None:
    names = [each.name for each in dataclasses.fields(kind)]
    for name in data:
        if name not in names:
            raise InputError(f"{name}: unknown key", where=where, cure=f"known: {', '.join(names)}")


def to_json(configuration: Configuration) -> str:
    return json.dumps(dataclasses.asdict(configuration), indent=1)


@contextmanager
def loaded_adapters(configuration: Configuration) -> Iterator[list[AnyAdapter]]:
    """Loaded instances, tuned to the batch size and closed at the end; raises QutiperfError."""
    kind = _adapter_class(configuration.adapter)
    options = _options(kind, configuration.options)
    adapters: list[AnyAdapter] = []
    try:
        with adapter_errors("load"):
            for _ in range(configuration.streams):
                adapters.append(kind())
                adapters[-1].load(configuration.model, options)
                adapters[-1].tune(configuration.model.fixed_batch or configuration.batch_size)
        yield adapters
    finally:
        for adapter in adapters:
            adapter.close()


@contextmanager
def adapter_errors(doing: str) -> Iterator[None]:
    """Gives one line to errors of an adapter or its runtime, which may raise anything."""
    try:
        yield
    except QutiperfError:
        raise
    except Exception as error:
        raise RunError(f"the adapter failed to {doing}: {type(error).__name__}: {error}") from error


def _adapter_class(name: str) -> type[AnyAdapter]:
    if ".py:" in name:
        return _of_file(*_split(name))
    if name not in ADAPTERS:
        raise InputError(f"adapter: '{name}' is not known", cure=f"{', '.join(ADAPTERS)}, or file.py:Class")
    module, attribute = _split(ADAPTERS[name])
    return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]  # ADAPTERS says so


def _split(name: str) -> tuple[str, str]:
    left, _, right = name.rpartition(":")
    return left, right


def _of_file(path: str, attribute: str) -> type[AnyAdapter]:
    if not os.path.isfile(path):  # noqa: PTH113 - a device starts in less time without pathlib
        raise InputError(f"adapter: there is no file {path}")
    spec: Optional[Any] = importlib.util.spec_from_file_location("qutiperf_outside_adapter", path)
    if spec is None:
        raise InputError(f"adapter: {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    with adapter_errors("be imported"):
        spec.loader.exec_module(module)
    adapter_type = getattr(module, attribute, None)
    if not (isinstance(adapter_type, type) and issubclass(adapter_type, Adapter)):
        raise InputError(f"adapter: {path} defines no adapter '{attribute}'")
    return adapter_type


def _options(adapter: type[AnyAdapter], values: dict[str, object]) -> object:
    """The adapter's options; without pydantic, so types are compared with those of the defaults."""
    kind: Any = adapter.options_type
    defaults = {each.name: each.default for each in dataclasses.fields(kind)}
    for name, value in values.items():
        if name not in defaults:
            raise InputError(f"options.{name}: unknown option", cure=f"known: {', '.join(defaults)}")
        expected = type(defaults[name])
        fits = type(value) is expected or (expected is float and type(value) is int)
        if defaults[name] is not dataclasses.MISSING and not fits:
            raise InputError(f"options.{name}: {value!r} is not of type {expected.__name__}")
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise InputError(f"options: {error}") from None
