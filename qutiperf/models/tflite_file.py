"""Inputs and outputs of a TFLite file, as reported by the LiteRT interpreter."""

import contextlib
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np

from qutiperf.element_type import STRING
from qutiperf.errors import InputError, SetupError
from qutiperf.models.damage import reading
from qutiperf.models.tensors import FileTensor, ModelTensors
from qutiperf.regular_file import unreadable
from qutiperf.spec.config import shortened


class _Details(TypedDict):
    """The part of the interpreter's tensor details that is read here."""

    name: str
    dtype: type[np.generic]
    shape_signature: Sequence[int]
    quantization: tuple[float, int]


def read_tflite(path: Path) -> ModelTensors:
    """A first dimension of -1 is open. Raises InputError for no TFLite file, SetupError without LiteRT."""
    if (problem := unreadable(path)) is not None:
        raise InputError(problem, where=shortened(str(path)), cure="name an existing model file")
    with contextlib.suppress(ImportError):  # the runtime has no bfloat16 unless this is imported before
        importlib.import_module("ml_dtypes")
    try:
        runtime = importlib.import_module("ai_edge_litert.interpreter")
    except ImportError:
        cure = "pip install 'qutiperf[litert]'"
        raise SetupError("reading TFLite files needs ai-edge-litert", where=str(path), cure=cure) from None
    resolver = runtime.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        interpreter = runtime.Interpreter(str(path), experimental_op_resolver_type=resolver)
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"is not a TFLite model, or is damaged: {reason}", where=str(path)) from None
    with reading(path):
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        return ModelTensors([_tensor(each) for each in inputs], [_tensor(each) for each in outputs])


def _tensor(details: _Details) -> FileTensor:
    sizes = [int(size) for size in details["shape_signature"]]
    scale, zero_point = details["quantization"]
    return FileTensor(
        details["name"],
        STRING if details["dtype"] is np.bytes_ else np.dtype(details["dtype"]).name,
        tuple(None if size < 0 else size for size in sizes),
        (float(scale), int(zero_point)) if scale else None,
    )
