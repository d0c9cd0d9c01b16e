"""Reads YAML strictly and turns it into frozen models; every problem names file, key and cure."""

import difflib
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path, PurePath
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from yaml.composer import Composer

from qutiperf.errors import InputError
from qutiperf.regular_file import unreadable

Yaml = dict[str, "YamlValue"]
YamlValue = None | bool | int | float | str | list["YamlValue"] | Yaml
# far beyond any file that a person writes; PyYAML reads about 100 kB a second, and expands aliases
MOST_BYTES = 1_000_000
MOST_NODES = 20_000
MOST_DEPTH = 40
_MOST_NUMBER = 2**64 - 1  # LoadGen's largest integer


class StrictModel(BaseModel):
    """Frozen, no unknown keys, no silent conversion between strings and numbers."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=()
    )


def without_unset(data: dict[str, object], *names: str) -> dict[str, object]:
    """Without the keys that are None: what a file does not use has no part in its digest."""
    return {key: value for key, value in data.items() if value is not None or key not in names}


def _whole_number(value: object) -> object:
    if type(value) is not int:
        raise ValueError("should be a whole number")
    return value


# Without the check `true` and 1.0 would pass for 1.
SchemaVersion = Annotated[Literal[1], BeforeValidator(_whole_number)]
Model = TypeVar("Model", bound=BaseModel)
Percent = Annotated[float, Field(ge=0, le=100)]


class _Bounded(Composer):
    """YAML 1.1 as PyYAML reads it, but 1e9 is a number, duplicate keys are errors, dates are text.

    Nor are there numbers to the base 60: the range 1:9:2 would be 4142. Only null, booleans, numbers,
    text, lists and mappings are values. Nesting and size are bounded before anything is built, an alias
    counting as all that it stands for.
    """

    _nodes = _depth = _deepest = 0

    def __init__(self, text: str, parser: type) -> None:
        parser.__init__(self, text)  # type: ignore[misc]  # SafeLoader or its twin on libyaml
        self.anchors: dict[str, yaml.Node] = {}
        self._extents: dict[int, tuple[int, int]] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Composes the next node; raises InputError for too deep, too large, or of an unknown type."""
        event = self.peek_event()  # type: ignore[attr-defined]  # the parser's, which the loaders add
        line, alias = event.start_mark.line + 1, isinstance(event, yaml.AliasEvent)
        before, deepest = self._nodes, self._deepest
        self._depth += 1
        self._deepest = self._depth
        self._check_bounds(line)
        node: yaml.Node | None = super().compose_node(parent, index)
        if node is not None and alias:
            self._expand(node, line)
        elif node is not None:
            _check_type(node, line)
            self._nodes += 1
            self._extents[id(node)] = self._nodes - before, self._deepest - self._depth
        self._check_bounds(line)
        self._depth -= 1
        self._deepest = max(deepest, self._deepest)
        return node

    def _expand(self, node: yaml.Node, line: int) -> None:
        if id(node) not in self._extents:
            raise InputError("the alias stands for a value that contains it", where=f"line {line}")
        nodes, height = self._extents[id(node)]
        self._nodes += nodes
        self._deepest = max(self._deepest, self._depth + height)

    def _check_bounds(self, line: int) -> None:
        if self._deepest > MOST_DEPTH:
            raise InputError(f"nested more than {MOST_DEPTH} levels deep", where=f"line {line}")
        if self._nodes > MOST_NODES:
            problem = f"holds more than {MOST_NODES:,} values, aliases expanded"
            raise InputError(problem, where=f"line {line}")


class _Loader(_Bounded, yaml.SafeLoader):
    """With PyYAML's own parser, which has the better messages."""

    def __init__(self, text: str) -> None:
        super().__init__(text, yaml.SafeLoader)


_LIBYAML: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # PyYAML may be built without it


class _FastLoader(_Bounded, _LIBYAML):  # type: ignore[misc]  # its type is only known at run time
    """With libyaml's parser, several times as fast."""

    def __init__(self, text: str) -> None:
        super().__init__(text, _LIBYAML)


_TAG = "tag:yaml.org,2002:"
_TYPES: Mapping[type[yaml.Node], tuple[str, ...]] = {
    yaml.ScalarNode: ("null", "bool", "int", "float", "timestamp", "str"),
    yaml.SequenceNode: ("seq",),
    yaml.MappingNode: ("map",),
}


def _check_type(node: yaml.Node, line: int) -> None:
    name = str(node.tag).removeprefix(_TAG)
    if name not in _TYPES[type(node)]:
        cure = "values are null, booleans, numbers, text, lists and mappings"
        raise InputError(f"the type '{name}' is not allowed", where=f"line {line}", cure=cure)


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, object]:
    mapping: dict[str, object] = {}
    for key_node, value_node in node.value:
        line = f"line {key_node.start_mark.line + 1}"
        if not isinstance(key_node, yaml.ScalarNode):
            raise InputError("a key is a list or a mapping", where=line, cure="keys are text")
        key = str(loader.construct_object(key_node, deep=True))
        if key in mapping:
            raise InputError(f"key '{key}' appears twice", where=line, cure="keep one of the two")
        mapping[key] = loader.construct_object(value_node, deep=True)
    return mapping


def _construct_text(loader: _Loader, node: yaml.ScalarNode) -> str:
    text = str(node.value)
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        problem = "the text holds a NUL or half a character (a lone surrogate)"
        raise InputError(problem, where=f"line {node.start_mark.line + 1}")
    return text


def _construct_bool(loader: _Loader, node: yaml.ScalarNode) -> bool:
    text = str(node.value).lower()
    if text not in loader.bool_values:
        raise _not_a(node, "boolean")
    return loader.bool_values[text]


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int | str:
    if ":" in node.value:
        return _construct_text(loader, node)
    try:
        value = int(loader.construct_yaml_int(node))
    except (ValueError, IndexError):
        raise _not_a(node, "whole number of up to 64 bits") from None
    if abs(value) > _MOST_NUMBER:
        raise _not_a(node, "whole number of up to 64 bits")
    return value


def _construct_float(loader: _Loader, node: yaml.ScalarNode) -> float | str:
    if ":" in node.value:
        return _construct_text(loader, node)
    try:
        value = float(loader.construct_yaml_float(node))
    except (ValueError, IndexError):
        raise _not_a(node, "number") from None
    if not math.isfinite(value):
        raise _not_a(node, "finite number")
    return value


def _not_a(node: yaml.ScalarNode, kind: str) -> InputError:
    return InputError(f"'{shortened(node.value)}' is not a {kind}", where=f"line {node.start_mark.line + 1}")


for _loader in (_Loader, _FastLoader):
    _loader.add_constructor(f"{_TAG}map", _construct_mapping)
    _loader.add_constructor(f"{_TAG}timestamp", _construct_text)
    _loader.add_constructor(f"{_TAG}str", _construct_text)
    _loader.add_constructor(f"{_TAG}bool", _construct_bool)
    _loader.add_constructor(f"{_TAG}int", _construct_int)
    _loader.add_constructor(f"{_TAG}float", _construct_float)
    _loader.add_implicit_resolver(
        f"{_TAG}float", re.compile(r"^[-+]?\d[\d_]*(\.[\d_]*)?[eE][-+]?\d+$"), list("-+0123456789")
    )


def parse_yaml(text: str, where: str) -> YamlValue:
    """The value of one YAML document; raises InputError with the line of a syntax error or duplicate."""
    try:
        return _loaded(text)
    except InputError as error:
        raise InputError(error.what, where=f"{where}: {error.where}", cure=error.cure) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise InputError(f"not YAML: {error.problem}", where=f"{where}: line {line}") from None
    except yaml.YAMLError as error:
        raise InputError(f"not YAML: {error}", where=where) from None
    except (ValueError, OverflowError) as error:  # from PyYAML's scanner: "\U7fffffff" is no character
        raise InputError(f"not YAML: {error}", where=where) from None


def _loaded(text: str) -> YamlValue:
    try:
        value: YamlValue = yaml.load(text, Loader=_FastLoader)
    except (yaml.YAMLError, ValueError, OverflowError):
        value = yaml.load(text, Loader=_Loader)
    return value


def read_yaml(path: Path) -> Yaml:
    """The mapping in a YAML file; raises InputError if it cannot be read or is not a mapping."""
    name = shortened(str(path))
    if (problem := unreadable(path, MOST_BYTES)) is not None:
        raise InputError(problem, where=name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise InputError(f"cannot be read: {reason}", where=name) from None
    value = parse_yaml(text, name)
    if not isinstance(value, dict):
        raise InputError("is not a mapping of keys to values", where=name)
    return value


def shortened(text: str, most: int = 200) -> str:
    """Text for an error message: its beginning, where it is long."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"


def whole_number(text: str, most: int = _MOST_NUMBER) -> int | None:
    """The number from 0 to `most` that is written in ASCII digits, None for anything else."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit()) or len(digits) > len(str(most)):
        return None
    return number if (number := int(digits)) <= most else None


def nearest(name: str, allowed: Iterable[str]) -> str:
    """`did you mean 'x'? allowed: ...` for an unknown name."""
    names = sorted(allowed)
    close = difflib.get_close_matches(name[:200], names, n=1, cutoff=0.5)
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
        raise InputError(shortened(str(error)), where=where) from None


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
    models: list[type[BaseModel]] = []
    for argument in getattr(annotation, "__args__", ()):
        models += _models_in(argument)
    return models


Overrides = Sequence[str] | Mapping[str, object]


def apply_overrides(data: Yaml, overrides: Overrides) -> Yaml:
    """A copy of `data` with every `dotted.key=value`; `1,8,64` becomes a list; raises InputError.

    A mapping of dotted keys has values as a YAML file would have them.
    """
    changed = {key: _copied(value) for key, value in data.items()}
    if isinstance(overrides, Mapping):
        for name, given in overrides.items():
            _put(changed, _path(str(name), str(name)), _plain(given, str(name)), shortened(str(name)))
        return changed
    for override in overrides:
        key, separator, text = override.partition("=")
        path = _path(key if separator else "", override)
        _put(changed, path, _override_value(text), shortened(override))
    return changed


def _path(key: str, override: str) -> list[str]:
    path = key.strip().split(".")
    if not all(path) or len(path) > MOST_DEPTH:
        problem = f"'{shortened(override)}' is not key=value"
        raise InputError(problem, where="--set", cure="write --set a.b=1,8,64")
    return path


def _plain(value: object, name: str, depth: int = 0) -> YamlValue:
    """As a YAML file would have it: numbers and arrays of numpy, tuples, ranges and paths become such."""
    if value is None or isinstance(value, bool | int | float | str):
        return value.value if isinstance(value, Enum) else value
    if depth < MOST_DEPTH and isinstance(value, Mapping):
        return {str(key): _plain(inner, name, depth + 1) for key, inner in value.items()}
    if depth < MOST_DEPTH and isinstance(value, list | tuple | range):
        return [_plain(inner, name, depth + 1) for inner in value]
    if isinstance(value, PurePath):
        return str(value)
    if depth < MOST_DEPTH and callable(getattr(value, "tolist", None)):  # of numpy and pandas
        return _plain(value.tolist(), name, depth + 1)  # type: ignore[attr-defined]  # it is callable
    kind = type(value).__name__
    cure = "use numbers, text, true, false, null, lists and mappings"
    what = f"{shortened(name)}: a value of type {kind} cannot be a setting"
    raise InputError(what, where="set", cure=cure)


def _copied(value: YamlValue) -> YamlValue:
    """A copy in which nothing is shared: what an alias stands for changes in one place only."""
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


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
