"""Malformed ONNX and TFLite files: refused in one line, or read with the figures of what they hold."""

import json
import math
import random
from collections.abc import Callable, Iterator
from functools import partial

import onnx
from onnx import TensorProto, helper

from tests.attack.attack import OK, REFUSED, Attack, require
from tests.attack.ground import CHECKOUT, Ground, refused_folder

_MODELS = CHECKOUT / "scenarios/workloads/models"
_SOURCES = {
    ".onnx": _MODELS / "digits-mlp-12.5-fp32.onnx",
    ".tflite": _MODELS / "digits-mlp-12.5-fp32.tflite",
}
_CUT, _DAMAGED = 25, 45  # of each format
Edit = Callable[[onnx.ModelProto], object]


def attacks(chance: random.Random) -> list[Attack]:
    return [
        *(attack for suffix in _SOURCES for attack in _cut(suffix, chance)),
        *(attack for suffix in _SOURCES for attack in _damaged(suffix, chance)),
        *(
            _attack(f"{name} as {suffix[1:]}", partial(_refused, data, suffix))
            for name, data, suffix in _foreign()
        ),
        *(_attack(f"ONNX: {name}", partial(_refused_edit, edit)) for name, edit in _EDITS.items()),
        *(_attack(f"ONNX: {name}", partial(_tolerated_edit, edit)) for name, edit in _TOLERATED.items()),
    ]


def _attack(name: str, run: Callable[[Ground], None]) -> Attack:
    return Attack(name, run, limit_s=60)


# --- what must hold


def _commands(data: bytes, suffix: str, ground: Ground) -> Iterator[list[str]]:
    """One that reads the graph and one that reads what to feed; the second's results folder is refused."""
    path = ground.write(f"model{suffix}", data)
    yield ["level0", "requirements", str(path), "--json"]
    sut = "cpu-litert" if suffix == ".tflite" else "cpu-onnxruntime"
    yield ["run", "--model", str(path), "--sut", sut, "--out", refused_folder(ground)]


def _refused(data: bytes, suffix: str, ground: Ground) -> None:
    for command in _commands(data, suffix, ground):
        outcome = ground.call(command, REFUSED, limit_s=30)
        require("thesis.tex" not in outcome.err, "`run` does not refuse the model")


def _tolerated(data: bytes, suffix: str, ground: Ground) -> None:
    requirements, run = _commands(data, suffix, ground)
    outcome = ground.call(requirements, [OK, *REFUSED], limit_s=30)
    if outcome.code == OK:
        _check_figures(json.loads(outcome.out))
    ground.call(run, REFUSED, limit_s=30)


def _check_figures(found: object) -> None:
    """Every number is finite and not below zero."""
    if isinstance(found, dict):
        for value in found.values():
            _check_figures(value)
    elif isinstance(found, list):
        for value in found:
            _check_figures(value)
    elif isinstance(found, int | float):
        require(math.isfinite(found) and found >= 0, f"a figure of {found}")


# --- damaged files


def _cut(suffix: str, chance: random.Random) -> Iterator[Attack]:
    data = _SOURCES[suffix].read_bytes()
    for length in sorted(chance.sample(range(len(data) - 64), _CUT)):
        yield _attack(f"{suffix[1:]} cut at {length}", partial(_refused_cut, data[:length], suffix))


def _refused_cut(data: bytes, suffix: str, ground: Ground) -> None:
    """A TFLite file that lacks buffers alone still has its graph."""
    (_refused if suffix == ".onnx" else _tolerated)(data, suffix, ground)


def _damaged(suffix: str, chance: random.Random) -> Iterator[Attack]:
    """Bytes replaced, in one place or in many; in the first and last kilobytes, where the structure is."""
    source = _SOURCES[suffix].read_bytes()
    for number in range(1, _DAMAGED + 1):
        data = bytearray(source)
        places = [*range(1_500), *range(len(data) - 3_000, len(data))]
        for _ in range(chance.choice([1, 1, 2, 8, 64])):
            data[chance.choice(places)] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        yield _attack(f"{suffix[1:]} damaged {number}", partial(_tolerated, bytes(data), suffix))


def _foreign() -> Iterator[tuple[str, bytes, str]]:
    contents: dict[str, bytes] = {
        "nothing": b"",
        "a zero byte": b"\0",
        "zeros": bytes(4_096),
        "ones": b"\xff" * 4_096,
        "text": b"this is no model\n" * 100,
        "a header alone": b"\x1c\x00\x00\x00TFL3",
        "a zip": b"PK\x03\x04" + bytes(200),
    }
    for suffix in _SOURCES:
        for name, data in contents.items():
            yield name, data, suffix
    yield "TFLite", _SOURCES[".tflite"].read_bytes(), ".onnx"
    yield "ONNX", _SOURCES[".onnx"].read_bytes(), ".tflite"


# --- ONNX files that are well-formed and wrong


def _edited(edit: Edit) -> bytes:
    model = onnx.load(str(_SOURCES[".onnx"]))
    edit(model)
    return bytes(model.SerializeToString())


def _refused_edit(edit: Edit, ground: Ground) -> None:
    _refused(_edited(edit), ".onnx", ground)


def _tolerated_edit(edit: Edit, ground: Ground) -> None:
    _tolerated(_edited(edit), ".onnx", ground)


def _input(model: onnx.ModelProto) -> onnx.TypeProto.Tensor:
    found: onnx.TypeProto.Tensor = model.graph.input[0].type.tensor_type
    return found


def _dimension(index: int, size: int) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        _input(model).shape.dim[index].dim_value = size

    return edit


def _type(number: int) -> Edit:
    return lambda model: setattr(_input(model), "elem_type", number)


def _second_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, ["batch", 4]))


def _circle(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = model.graph.node[-1].output[0]


def _sequence(model: onnx.ModelProto) -> None:
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, [1]))
    model.graph.input[0].type.CopyFrom(kind)


def _external(path: str) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        weights = model.graph.initializer[0]
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=path)

    return edit


def _many_nodes(model: onnx.ModelProto) -> None:
    for number in range(20_000):
        model.graph.node.append(helper.make_node("Relu", [f"n{number}"], [f"n{number + 1}"]))


def _weights(dims: list[int]) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(dims)

    return edit


_LONG = "x" * 1_000_000
_EDITS: dict[str, Edit] = {
    "no nodes": lambda model: model.graph.ClearField("node"),
    "no input": lambda model: model.graph.ClearField("input"),
    "element type 77": _type(77),
    "size -5": _dimension(2, -5),
    "size 0": _dimension(2, 0),
    "no shape": lambda model: _input(model).ClearField("shape"),
    "input without a type": lambda model: model.graph.input[0].ClearField("type"),
    "input of a sequence": _sequence,
}
_TOLERATED: dict[str, Edit] = {
    "no sizes": lambda model: _input(model).shape.ClearField("dim"),
    "two inputs": _second_input,
    "no output": lambda model: model.graph.ClearField("output"),
    "element type text": _type(TensorProto.STRING),
    "element type complex": _type(TensorProto.COMPLEX64),
    "element type negative": _type(-3),
    "size 2^62": _dimension(2, 1 << 62),
    "size 2^31": _dimension(3, 1 << 31),
    "batch 2^62": _dimension(0, 1 << 62),
    "circle": _circle,
    "unknown operator": lambda model: setattr(model.graph.node[0], "op_type", "Explode"),
    "operator of escapes": lambda model: setattr(model.graph.node[0], "op_type", "\x1b[2J\x1b]0;x\x07"),
    "operator without a name": lambda model: setattr(model.graph.node[0], "op_type", ""),
    "operator of 1 MB": lambda model: setattr(model.graph.node[0], "op_type", _LONG),
    "unknown domain": lambda model: setattr(model.graph.node[0], "domain", "\x1b[31m.evil"),
    "input of escapes": lambda model: setattr(model.graph.input[0], "name", "\x1b[2J\x07"),
    "input without a name": lambda model: setattr(model.graph.input[0], "name", ""),
    "input of 1 MB": lambda model: setattr(model.graph.input[0], "name", _LONG),
    "output of a stranger": lambda model: setattr(model.graph.output[0], "name", "stranger"),
    "node without inputs": lambda model: model.graph.node[0].ClearField("input"),
    "node without outputs": lambda model: model.graph.node[0].ClearField("output"),
    "no weights": lambda model: model.graph.ClearField("initializer"),
    "weights without data": lambda model: model.graph.initializer[0].ClearField("raw_data"),
    "weights of size -1": _weights([-1, 4]),
    "weights of 2^62": _weights([1 << 62, 1 << 62]),
    "weights of no size": _weights([]),
    "weights outside": _external("../../../../etc/passwd"),
    "weights in a device": _external("/dev/zero"),
    "weights of a zero byte": _external("a\0b"),
    "no operator set": lambda model: model.ClearField("opset_import"),
    "operator set 2^60": lambda model: setattr(model.opset_import[0], "version", 1 << 60),
    "version 2^60": lambda model: setattr(model, "ir_version", 1 << 60),
    "20000 more nodes": _many_nodes,
}
