"""What a device serves, as one JSON object, and the adapter instances that it takes."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
import os
from dataclasses import dataclass, field
from typing import Any, Optional

from qutiperf.adapters import ADAPTERS
from qutiperf.adapters.base import Adapter, Model, Quantization
from qutiperf.errors import InputError

AnyAdapter = Adapter[Any]  # its options are known when it is loaded
MEGA = 1_000_000


@dataclass(frozen=True)
class Configuration:
    """`adapter` is a shipped name or `file.py:Class`; files of TLS and token are paths, none is empty.

    `batch_size` is the largest batch of a request, `streams` the number of loaded instances.
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


def read_configuration(text: str, where: str) -> Configuration:
    """From JSON; raises InputError for an unknown key, a missing one or a wrong type."""
    try:
        data = json.loads(text)
        model = dict(data.pop("model"))
        for name in ("input_quantization", "output_quantization"):
            if model.get(name) is not None:
                model[name] = Quantization(float(model[name][0]), int(model[name][1]))
        model["input_shape"] = tuple(int(size) for size in model["input_shape"])
        _check_names(data, Configuration, where)
        _check_names(model, Model, f"{where}: model")
        made = Configuration(model=Model(**model), **data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"cannot be read: {type(error).__name__}: {error}", where=where) from None
    if made.streams < 1 or made.batch_size < 1 or not 0 <= made.port < 65536:
        raise InputError("streams and batch_size are at least 1, port is below 65536", where=where)
    return made


def _check_names(data: dict[str, object], kind: type[Any], where: str) -> None:
    names = [each.name for each in dataclasses.fields(kind)]
    for name in data:
        if name not in names:
            raise InputError(f"{name}: unknown key", where=where, cure=f"known: {', '.join(names)}")


def to_json(configuration: Configuration) -> str:
    return json.dumps(dataclasses.asdict(configuration), indent=1)


def load_adapters(configuration: Configuration) -> list[AnyAdapter]:
    """Loaded instances, tuned to the batch size; raises what the adapter raises."""
    found = _adapter_class(configuration.adapter)
    options = _options(found, configuration.options)
    adapters = []
    for _ in range(configuration.streams):
        adapter = found()
        adapter.load(configuration.model, options)
        adapter.tune(configuration.model.fixed_batch or configuration.batch_size)
        adapters.append(adapter)
    return adapters


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
        raise InputError(f"adapter: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = getattr(module, attribute, None)
    if not (isinstance(found, type) and issubclass(found, Adapter)):
        raise InputError(f"adapter: {path} defines no adapter '{attribute}'")
    return found


def _options(adapter: type[AnyAdapter], values: dict[str, object]) -> object:
    """The adapter's options; without pydantic, so types are compared with those of the defaults."""
    kind: Any = adapter.options_type
    defaults = {each.name: each.default for each in dataclasses.fields(kind)}
    for name, value in values.items():
        if name not in defaults:
            raise InputError(f"options.{name}: unknown option", cure=f"known: {', '.join(defaults)}")
        wanted = type(defaults[name])
        fits = type(value) is wanted or (wanted is float and type(value) is int)
        if defaults[name] is not dataclasses.MISSING and not fits:
            raise InputError(f"options.{name}: {value!r} is no {wanted.__name__}")
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise InputError(f"options: {error}") from None
