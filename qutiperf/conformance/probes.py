"""Generated colour networks that return their input, to show the values and order that reach the model.

They are a convolution with one weight per channel, because runtimes change layouts for convolutions.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qutiperf.adapters.base import Array, Model
from qutiperf.conformance.finding import CheckEnded, CheckFinding, failed, passed, skipped
from qutiperf.conformance.sibling import same_as_onnx
from qutiperf.conformance.subject import Loaded, LoadedAdapter

Reals = npt.NDArray[np.float64]
_SIDE = 8
_ALLOWED = 0.01  # bfloat16 rounds by 0.4 %
_SHAPES = {"NCHW": (3, _SIDE, _SIDE), "NHWC": (_SIDE, _SIDE, 3)}


def layout(subject: LoadedAdapter) -> CheckFinding:
    """Every pixel of every channel reaches the model at its position, for NCHW and NHWC inputs.

    Adapters of other formats are compared with the ONNX file of the same model.
    """
    suffixes = subject.adapter.model_suffixes
    if subject.many and suffixes and ".onnx" not in suffixes:
        raise skipped("the probe is an ONNX file, and the model has several tensors")
    if suffixes and ".onnx" not in suffixes:
        return same_as_onnx(subject, f"the probe is an ONNX file; the adapter loads {', '.join(suffixes)}")
    weights, seen = (1.0, 2.0, 4.0), list[str]()
    for name, shape in _SHAPES.items():
        try:
            loaded = _loaded(subject, name, "float32", weights)
        except CheckEnded as problem:
            if not seen:
                raise
            return passed(f"every pixel of R, G and B at its position, in {seen[0]}; {name}: {problem}")
        seen.append(name)
        image = np.arange(1, 3 * _SIDE * _SIDE + 1, dtype=np.float32).reshape(1, *shape)
        for each in (image, np.ascontiguousarray(image[:, ::-1])):
            _check_layout(name, each, _answer(loaded, each), weights)
        loaded.close()
    return passed("every pixel of R, G and B at its position, in NCHW and in NHWC")


def values(subject: LoadedAdapter) -> CheckFinding:
    """Numbers reach the model unchanged: fractions, negative and large numbers, and bytes up to 255."""
    loaded = _loaded(subject, "NCHW", "float32", (1.0, 1.0, 1.0))
    _check_values(loaded, (0.02, 0.3, 1.0, -0.7, -3.25, 300.5), np.float32)
    loaded.close()
    seen = "fractions, negative and large numbers arrive unchanged"
    try:
        loaded = _loaded(subject, "NCHW", "uint8", (1.0, 1.0, 1.0))
    except Exception:  # noqa: BLE001 - runtimes without byte inputs raise various errors
        return passed(f"{seen}; the adapter does not load models with uint8 inputs")
    _check_values(loaded, (0, 1, 127, 128, 255), np.uint8)
    loaded.close()
    return passed(f"{seen}, also bytes up to 255")


def _loaded(subject: LoadedAdapter, name: str, dtype: str, weights: Sequence[float]) -> Loaded:
    """Skips the check if the adapter cannot load the network."""
    suffixes = subject.adapter.model_suffixes
    if not subject.runs_models:
        raise skipped("the adapter's answers do not come from the model")
    if suffixes and ".onnx" not in suffixes:
        raise skipped(f"the probe is an ONNX file; the adapter loads {', '.join(suffixes)}")
    path = subject.folder / f"probe-{name}-{dtype}-{weights[-1]:.0f}.onnx"
    _write(path, name, dtype, weights)
    model = Model(str(path), "image", dtype, _SHAPES[name], "seen")
    try:
        return subject.load(1, model)
    except Exception as error:
        raise skipped(
            f"the adapter does not load the probe: {type(error).__name__}: {str(error)[:120]}"
        ) from error


def _write(path: Path, name: str, dtype: str, weights: Sequence[float]) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    kind = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8}[dtype]
    kernel = np.diag(weights).astype(np.float32).reshape(3, 3, 1, 1)
    steps: list[tuple[str, dict[str, int | list[int]]]] = [("Conv", {}), ("Flatten", {})]
    if name == "NHWC":
        steps.insert(0, ("Transpose", {"perm": [0, 3, 1, 2]}))
    if dtype != "float32":
        steps.insert(0, ("Cast", {"to": TensorProto.FLOAT}))
    names = ["image", *(f"step{number}" for number in range(1, len(steps))), "seen"]
    nodes = []
    for at, (operator, how) in enumerate(steps):
        node = helper.make_node(
            operator, [names[at], *(["kernel"] if operator == "Conv" else [])], [names[at + 1]]
        )
        node.attribute.extend(helper.make_attribute(key, value) for key, value in how.items())
        nodes.append(node)
    graph = helper.make_graph(
        nodes,
        "probe",
        [helper.make_tensor_value_info("image", kind, ["batch", *_SHAPES[name]])],
        [helper.make_tensor_value_info("seen", TensorProto.FLOAT, ["batch", 3 * _SIDE * _SIDE])],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def _answer(loaded: Loaded, images: Array) -> Reals:
    answers = loaded.answer(images)
    if answers.shape != (len(images), 3 * _SIDE * _SIDE):
        raise failed(f"a probe of {len(images)} images answered with shape {list(answers.shape)}")
    return answers.astype(np.float64)


def _planes(name: str, image: Array, weights: Sequence[float]) -> Reals:
    """The probe's answer to an image: [1, channel, row, column], weighted, then flat."""
    planes = image.transpose(0, 3, 1, 2) if name == "NHWC" else image
    weighted = planes.astype(np.float64) * np.array(weights).reshape(1, 3, 1, 1)
    return np.asarray(weighted.reshape(len(image), -1))


def _check_layout(name: str, image: Array, answers: Reals, weights: Sequence[float]) -> None:
    if _close(answers, _planes(name, image, weights)):
        return
    for what, changed in _mistakes(name, image):
        if _close(answers, _planes(name, changed, weights)):
            raise failed(f"{name}: {what}")
    wrong = int((np.abs(answers - _planes(name, image, weights)) > _ALLOWED * np.abs(answers)).sum())
    raise failed(f"{name}: {wrong} of {answers.size} pixels are at a wrong position")


def _mistakes(name: str, image: Array) -> list[tuple[str, Array]]:
    other = "NCHW" if name == "NHWC" else "NHWC"
    channel, row, column = (3, 1, 2) if name == "NHWC" else (1, 2, 3)
    misread = image.reshape(1, *_SHAPES[other])
    back = misread.transpose(0, 2, 3, 1) if name == "NHWC" else misread.transpose(0, 3, 1, 2)
    return [
        ("red and blue are swapped (RGB read as BGR)", np.flip(image, channel)),
        (f"the layout is read as {other}", back),
        ("rows and columns are swapped", np.swapaxes(image, row, column)),
        ("the image is upside down", np.flip(image, row)),
        ("the image is mirrored", np.flip(image, column)),
    ]


def _check_values(loaded: Loaded, numbers: Sequence[float], dtype: type[np.generic]) -> None:
    """Uses uniform images, so that the order of pixels does not matter."""
    for number in numbers:
        image = np.full((1, *_SHAPES["NCHW"]), number, dtype)
        answers = _answer(loaded, image)
        if not _close(answers, np.full_like(answers, number)):
            raise failed(f"{np.dtype(dtype)} input {number} reaches the model as {answers.flat[0]:.6g}")


def _close(answers: Reals, expected: Reals) -> bool:
    return bool((np.abs(answers - expected) <= _ALLOWED * np.abs(expected)).all())
