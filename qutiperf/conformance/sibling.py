"""Expected answers for adapters of other formats: the same model as ONNX in onnxruntime."""

import math

import numpy as np

from qutiperf.adapters.base import Array, Model
from qutiperf.adapters.onnxruntime import OnnxRuntime, Options
from qutiperf.conformance.finding import CheckFinding, failed, passed, skipped
from qutiperf.conformance.subject import LoadedAdapter
from qutiperf.spec.workload import InputSpec, OtherFile

_PIXELS = 64
_ALLOWED = 0.02  # of the largest output, because runtimes differ in precision and order of summation


def same_as_onnx(subject: LoadedAdapter, why: str) -> CheckFinding:
    """Compares answers to images with one bright pixel, at many places: a misplaced pixel changes them.

    Skipped, with a reason that starts with `why`, if there is no ONNX file of real numbers to compare with.
    """
    reference = _reference(subject, why)
    loaded, shape = subject.load(1), subject.model.input_shape
    places = np.unique(np.linspace(0, math.prod(shape) - 1, _PIXELS).astype(int))
    for number, place in enumerate(places):
        if not subject.in_time() and number >= 4:
            break
        image = np.zeros((1, math.prod(shape)), np.float32)
        image[0, place] = 1
        expected = np.asarray(
            reference.infer(_arranged(image.reshape(1, *shape), subject, why))[0], np.float64
        )
        answer = loaded.answer(image.reshape(1, *shape)).astype(np.float64)
        apart = (
            float(np.abs(expected - answer).max(initial=0)) if expected.shape == answer.shape else math.inf
        )
        if apart > _ALLOWED * float(np.abs(expected).max(initial=0)):
            raise failed(
                f"the answer to a bright pixel at {place} differs from onnxruntime's by up to {apart:.3g}"
            )
    loaded.close()
    reference.close()
    return passed(f"{number + 1} images with one bright pixel: same answers as onnxruntime")


def _onnx(subject: LoadedAdapter, why: str) -> tuple[OtherFile, InputSpec]:
    model = subject.workload.model
    for other in model.other_files:
        if other.file.endswith(".onnx"):
            onnx_input, output = other.input or model.input, other.output or model.output
            kinds = (model.input.dtype, onnx_input.dtype)
            plain = not any((model.input.quantization, onnx_input.quantization, output.quantization))
            if kinds == ("float32", "float32") and plain and model.output.quantization is None:
                return other, onnx_input
    raise skipped(f"{why}, and the workload has no ONNX file of real numbers to compare with")


def _reference(subject: LoadedAdapter, why: str) -> OnnxRuntime:
    other, onnx_input = _onnx(subject, why)
    output = other.output or subject.workload.model.output
    if onnx_input.fixed_batch not in (None, 1):
        raise skipped(f"{why}, and the ONNX file has a fixed batch size")
    runtime = OnnxRuntime()
    runtime.load(
        Model(other.file, onnx_input.name, onnx_input.dtype, onnx_input.sample_shape, output.name), Options()
    )
    return runtime


def _arranged(image: Array, subject: LoadedAdapter, why: str) -> Array:
    """The image in the layout of the ONNX file."""
    expected, given = _onnx(subject, why)[1].sample_shape, image.shape[1:]
    if expected == given:
        return image
    if len(given) == len(expected) == 3 and (given[2], given[0], given[1]) == expected:
        return np.ascontiguousarray(image.transpose(0, 3, 1, 2))
    raise skipped(f"{why}, and the ONNX file's input is {list(expected)}, not {list(given)}")
