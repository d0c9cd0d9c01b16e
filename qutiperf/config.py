"""Reads YAML strictly and turns it into frozen models; every problem names file, key and cure."""

import copy
import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from qutiperf.errors import InputError

Yaml = dict[str, "YamlValue"]
YamlValue = None | bool | int | float | str | list["YamlValue"] | Yaml


class StrictModel(BaseModel):
    """Frozen, no unknown keys, no silent conversion between strings and numbers."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=()
    )


def _whole_number(value: object) -> object:
    if type(value) is not int:
        raise ValueError("should be a whole number")
    return value


# Without the check `true` and 1.0 would pass for 1.
SchemaVersion = Annotated[Literal[1], BeforeValidator(_whole_number)]
Model = TypeVar("Model", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML reads it, but 1e9 is a number, duplicate keys are errors, dates are text.

    Nor are there numbers to the base 60: the range 1:9:2 would be 4142.
    """


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, object]:
    mapping: dict[str, object] = {}
    for key_node, value_node in node.value:
        key = str(loader.construct_object(key_node, deep=True))
        if key in mapping:
            raise InputError(f"key '{key}' appears twice", where=f"line {key_node.start_mark.line + 1}")
        mapping[key] = loader.construct_object(value_node, deep=True)
    return mapping


def _construct_text(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(node.value)


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int | str:
    return str(node.value) if ":" in node.value else int(loader.construct_yaml_int(node))


def _construct_float(loader: _Loader, node: yaml.ScalarNode) -> float | str:
    return str(node.value) if ":" in node.value else float(loader.construct_yaml_float(node))


_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _construct_text)
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d[\d_]*(\.[\d_]*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def parse_yaml(text: str, where: str) -> YamlValue:
    """The value of one YAML document; raises InputError with the line of a syntax error or duplicate."""
    try:
        value: YamlValue = yaml.load(text, Loader=_Loader)
    except InputError as error:
        raise InputError(error.what, where=f"{where}: {error.where}", cure="keep one of the two") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise InputError(f"not YAML: {error.problem}", where=f"{where}: line {line}") from None
    except yaml.YAMLError as error:
        raise InputError(f"not YAML: {error}", where=where) from None
    return value


def read_yaml(path: Path) -> Yaml:
    """The mapping in a YAML file; raises InputError if it cannot be read or is not a mapping."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise InputError(f"cannot be read: {reason}", where=str(path)) from None
    value = parse_yaml(text, str(path))
    if not isinstance(value, dict):
        raise InputError("holds no mapping of keys to values", where=str(path))
    return value


def nearest(name: str, allowed: Iterable[str]) -> str:
    """`did you mean 'x'? allowed: ...` for an unknown name."""
    names = sorted(allowed)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean '{close[0]}'? " if close else ""
    shown = ", ".join(names[:24]) + (f", ... ({len(names)} in all)" if len(names) > 24 else "")
    return f"{hint}allowed: {shown or 'none'}"


def parse_model(model: type[Model], data: Mapping[str, object], where: str) -> Model:
    """Validates `data`; raises InputError `where: key.path: problem, allowed values, nearest name`."""
    try:
        return model.model_validate_json(json.dumps(data, allow_nan=False))
    except ValidationError as error:
        raise _input_error(model, error.errors(include_url=False), where) from None
    except ValueError as error:
        raise InputError(str(error), where=where) from None


def _input_error(model: type[BaseModel], problems: Sequence[ErrorDetails], where: str) -> InputError:
    first = problems[0]
    key = ".".join(str(part) for part in first["loc"])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        cure = nearest(str(first["loc"][-1]), _fields_at(model, first["loc"][:-1]))
        return InputError(f"{key}: unknown key{more}", where=where, cure=cure)
    if first["type"] == "missing":
        return InputError(f"{key}: missing{more}", where=where, cure="add this key")
    value = json.dumps(first["input"], default=str)[:80]
    message = first["msg"].removeprefix("Value error, ").replace("Input should be", "should be", 1)
    if first["type"] == "too_short":
        message = "should not be empty"
    return InputError(f"{key}: {message}, not {value}{more}" if key else message, where=where)


def _fields_at(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Names of the fields of the model found at `location` inside `model`."""
    current: type[BaseModel] | None = model
    for part in location:
        field = current.model_fields.get(str(part)) if current else None
        inner = _models_in(field.annotation) if field else ([current] if current else [])
        current = inner[0] if inner else None
    return list(current.model_fields) if current else []


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    found: list[type[BaseModel]] = []
    for argument in getattr(annotation, "__args__", ()):
        found += _models_in(argument)
    return found


def apply_overrides(data: Yaml, overrides: Sequence[str]) -> Yaml:
    """A copy of `data` with every `dotted.key=value`; `1,8,64` becomes a list; raises InputError."""
    changed = copy.deepcopy(data)
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator or not key.strip():
            raise InputError(f"'{override}' is not key=value", where="--set", cure="write --set a.b=1,8,64")
        _put(changed, key.strip().split("."), _override_value(text), override)
    return changed


def _override_value(text: str) -> YamlValue:
    if "," in text and not text.lstrip().startswith(("[", "{")):
        text = f"[{text}]"
    return parse_yaml(text, "--set")


def _put(data: Yaml, path: Sequence[str], value: YamlValue, override: str) -> None:
    for part in path[:-1]:
        inner = data.setdefault(part, {})
        if not isinstance(inner, dict):
            raise InputError(f"'{part}' holds a value, not keys", where=f"--set {override}")
        data = inner
    data[path[-1]] = value


def canonical_json(value: object) -> str:
    """One spelling for one value: sorted keys, no spaces; the input of every digest."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def sha256_of(value: object) -> str:
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def sha256_of_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
