"""Writes docs/reference.md from the models and the command line; `--check` reports whether it is current."""

import dataclasses
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from qutiperf.adapters import ADAPTERS
from qutiperf.adapters.registry import adapter_class
from qutiperf.cli import app
from qutiperf.results.record import Figures
from qutiperf.results.table import DERIVED
from qutiperf.spec.audits import AuditRule, ScoreLimits
from qutiperf.spec.before import Before
from qutiperf.spec.block import Block
from qutiperf.spec.build import Build
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.layer import (
    Attention,
    Convolution,
    Dense,
    Elementwise,
    Function,
    Pool,
    Product,
    Recurrent,
    Threshold,
)
from qutiperf.spec.level0_terms import Calibration, Terms
from qutiperf.spec.networks import Networks
from qutiperf.spec.normalisation import NormalisationSpec
from qutiperf.spec.round_rules import (
    BenchmarkRule,
    Fields,
    Inference,
    Layout,
    Limits,
    RequiredFiles,
    RoundRules,
    SampleCounts,
    ScenarioRule,
    ScenarioSet,
    Score,
    TestFile,
    TestRule,
    TokenLimits,
)
from qutiperf.spec.rounds import Round, Seeds
from qutiperf.spec.scenario import Metric, RunSettings, Scenario
from qutiperf.spec.source import (
    ConstantSource,
    LengthSource,
    MaskSource,
    PaddingSpec,
    RandomSource,
    StateSource,
)
from qutiperf.spec.sut import (
    Deployment,
    OperatingMode,
    Platform,
    Power,
    SystemUnderTest,
    Verified,
    WorkerLimits,
)
from qutiperf.spec.sweep import CacheSettings, RepeatUntil, Sweep
from qutiperf.spec.topology import Topology
from qutiperf.spec.variant import Variant
from qutiperf.spec.workload import (
    InputSpec,
    ModelSpec,
    OtherFile,
    OutputSpec,
    QuantizationSpec,
    Workload,
)

PAGE = Path(__file__).parent / "reference.md"
FILES: dict[str, list[type[BaseModel]]] = {
    "sweep": [Sweep, RunSettings, CacheSettings, RepeatUntil, Networks, Before, WorkerLimits],
    "workload": [
        *(Workload, DatasetSpec, ModelSpec, OtherFile, InputSpec, OutputSpec, QuantizationSpec),
        *(RandomSource, ConstantSource, StateSource, MaskSource, LengthSource, PaddingSpec),
        *(Topology, Variant, NormalisationSpec),
        *(
            Convolution,
            Dense,
            Product,
            Pool,
            Elementwise,
            Function,
            Recurrent,
            Attention,
            Threshold,
            Block,
            Build,
        ),
    ],
    "sut": [
        SystemUnderTest,
        Deployment,
        OperatingMode,
        Platform,
        Calibration,
        Terms,
        Power,
        WorkerLimits,
        Verified,
    ],
    "scenario": [Scenario, Metric],
    "audit": [AuditRule, ScoreLimits],
    "round": [
        *(Round, Seeds, RoundRules, Layout, RequiredFiles, Fields, Limits, ScenarioRule, Inference),
        *(TestRule, TestFile, BenchmarkRule, ScenarioSet, SampleCounts, Score, TokenLimits),
    ],
}
TYPES: dict[object, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    type(None): "null",
}
EXIT_CODES = {
    0: "success",
    1: "a negative verdict: INVALID in a submission run, labels that differ, a failed check",
    2: "bad input: a file, key, value or option",
    3: "incomplete set-up: a package, a device, a permission or the required LoadGen is missing",
    4: "a run failed; the other runs are stored",
    130: "interrupted; finished runs are kept",
}


def main() -> int:
    text = "\n".join(page()) + "\n"
    if "--check" in sys.argv:
        current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text
        return 0 if current else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


def page() -> Iterator[str]:
    yield "# Reference\n\nGenerated from the code by `python docs/make_reference.py`.\n"
    yield "## Command line\n"
    yield from command_line()
    yield "## Exit codes\n\n| code | meaning |\n|---|---|"
    yield from (f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items())
    yield "\nIf several apply, the order of precedence is 130, 2, 3, 4, 1.\n\n## Files\n"
    yield "Every file starts with `kind` and `schema_version: 1`, and can have one `extends`.\n"
    for kind, models in FILES.items():
        yield f"### kind: {kind}\n"
        for model in models:
            yield from model_table(model)
    yield "## Adapter options\n"
    for name in sorted(ADAPTERS):
        yield from adapter_table(name)
    yield "## Figures\n\nColumns of `show --json` and `--csv`; latencies in ms, ips = inputs per second.\n"
    yield ", ".join(f"`{name}`" for name in (*Figures.model_fields, *DERIVED))


def command_line() -> Iterator[str]:
    """Every verb with its flags, including those of groups."""
    for name, command in typer.main.get_group(app).commands.items():
        for inner, verb in getattr(command, "commands", {"": command}).items():
            yield from verb_table(f"{name} {inner}".strip(), verb)


def verb_table(name: str, command: "typer.core.TyperCommand") -> Iterator[str]:
    yield f"### qutiperf {name}\n\n{one_line(command.help)}\n\n| | |\n|---|---|"
    for parameter in command.params:
        spelled = ", ".join(parameter.opts) if parameter.param_type_name == "option" else parameter.name
        yield f"| `{spelled}` | {one_line(getattr(parameter, 'help', None))} |"
    yield ""


def model_table(model: type[BaseModel]) -> Iterator[str]:
    yield f"**{model.__name__}**: {one_line(model.__doc__)}\n\n| key | type | default |\n|---|---|---|"
    hints = get_type_hints(model, include_extras=True)
    for name, field in model.model_fields.items():
        default = (
            "required"
            if field.is_required()
            else f"`{default_text(field.get_default(call_default_factory=True))}`"
        )
        yield f"| `{name}` | {type_text(hints[name])} | {default} |"
    yield ""


def adapter_table(name: str) -> Iterator[str]:
    options = adapter_class(name).options_type
    yield f"**{name}**: {one_line(options.__doc__)}\n\n| option | type | default |\n|---|---|---|"
    hints = get_type_hints(options)
    for field in dataclasses.fields(options) if dataclasses.is_dataclass(options) else ():
        yield f"| `{field.name}` | {type_text(hints[field.name])} | `{default_text(field.default)}` |"
    yield ""


def default_text(value: object) -> str:
    if isinstance(value, BaseModel):
        return str(value.model_dump(mode="json", exclude_defaults=True))
    if isinstance(value, list):
        return str([getattr(each, "value", each) for each in value])
    return "" if value is PydanticUndefined else str(value)


def type_text(annotation: object) -> str:  # noqa: PLR0911 - a kind of type each
    """A type as a reader of YAML thinks of it: `number > 0 or null`, `one of a, b`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_text(arguments[0]) + bounds(annotation)
    if set(arguments) == {bool, int, float, str}:
        return "value"
    if origin in (Union, UnionType):
        return " or ".join(type_text(each) for each in arguments)
    if origin is Literal:
        return "one of " + ", ".join(f"`{each}`" for each in arguments)
    if origin is list:
        return f"list of {type_text(arguments[0])}"
    if origin is dict:
        return f"{type_text(arguments[1])} by name"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "one of " + ", ".join(f"`{each.value}`" for each in annotation)
    return TYPES.get(annotation, getattr(annotation, "__name__", str(annotation)))


def bounds(annotation: object) -> str:
    """The limits that pydantic's Field sets: ` > 0`."""
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    limits = FieldInfo.from_annotation(annotation).metadata  # type: ignore[arg-type]  # an Annotated
    return "".join(
        f" {sign} {getattr(each, name)}"
        for each in limits
        for name, sign in signs.items()
        if hasattr(each, name)
    )


def one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "or")


if __name__ == "__main__":
    sys.exit(main())
