"""Quantised forms of a trained digits network: static int8, and int4 weights under fp32 activations."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from qutiperf.models.digits.export_onnx import GraphParts
from qutiperf.models.digits.train import TrainedLayer

if TYPE_CHECKING:
    from onnxruntime.quantization import CalibrationDataReader

INT4_MAXIMUM = 7
INT4_ZERO_POINT = 8  # MatMulNBits stores unsigned nibbles and takes this as zero
BLOCK_SIZE = 32
COMPUTE_IN_FP32 = 1  # MatMulNBits: 4 would round the activations to int8
SMALLEST_SCALE = 1e-8  # keeps a block of zeros from dividing by 0


def quantise_int8(model: onnx.ModelProto, images: NDArray[np.float32]) -> onnx.ModelProto:
    """Unsigned activations over the range that `images` cause, signed weights with a scale per output."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    with TemporaryDirectory() as directory:
        path = Path(directory) / "int8.onnx"
        quantize_static(
            model,
            path,
            _calibration(images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,  # of a ReLU no level is lost on negative numbers
            weight_type=QuantType.QInt8,
            extra_options={"WeightSymmetric": True},
        )
        return onnx.load(path)


def _calibration(images: NDArray[np.float32]) -> CalibrationDataReader:
    """Hands all images over in one batch."""
    from onnxruntime.quantization import CalibrationDataReader

    class AllImages(CalibrationDataReader):
        feeds = iter([{"image": images}])

        def get_next(self) -> dict[str, NDArray[np.float32]]:
            return next(self.feeds, {})

    return AllImages()


def int4_weights(parts: GraphParts, prefix: str, trained: TrainedLayer) -> None:
    """Conv over weights that the runtime dequantises in each inference; MatMulNBits for dense layers."""
    if trained.layer.kind == "conv":
        _append_conv(parts, prefix, trained)
    else:
        _append_matmul(parts, prefix, trained)


def _append_conv(parts: GraphParts, prefix: str, trained: TrainedLayer) -> None:
    stored, scale = int4_tensor(f"{prefix}/weight_int4", trained.weight)
    inputs = [parts.initialiser(stored), parts.constant(f"{prefix}/scale", scale)]
    weights = parts.node("DequantizeLinear", f"{prefix}/dequantise", inputs, axis=0)
    bias = parts.constant(f"{prefix}/bias", trained.bias)
    parts.append("Conv", f"{prefix}/conv", weights, bias, kernel_shape=[3, 3], pads=[1, 1, 1, 1])


def int4_tensor(name: str, weight: NDArray[np.float32]) -> tuple[onnx.TensorProto, NDArray[np.float32]]:
    """Weights, outputs first, as int4, and the scale of each output."""
    scale = _scale(weight.reshape(len(weight), -1))
    levels = _levels(weight, scale.reshape(-1, *[1] * (weight.ndim - 1)))
    data = _pack(levels.reshape(-1)).tobytes()
    return helper.make_tensor(name, onnx.TensorProto.INT4, weight.shape, data, raw=True), scale


def _append_matmul(parts: GraphParts, prefix: str, trained: TrainedLayer) -> None:
    """MatMulNBits takes weights as [outputs, blocks, bytes] and one scale per output and block."""
    outputs, inputs = trained.weight.shape
    blocks = _blocks(trained.weight)
    scale = _scale(blocks)
    levels = _levels(blocks, scale[..., np.newaxis]) + INT4_ZERO_POINT
    packed = parts.constant(f"{prefix}/weight_int4", _pack(levels))
    scales = parts.constant(f"{prefix}/scale", scale.reshape(-1))
    bias = parts.constant(f"{prefix}/bias", trained.bias)
    parts.append(
        "MatMulNBits",
        f"{prefix}/matmul",
        *(packed, scales, "", "", bias),
        K=inputs,
        N=outputs,
        bits=4,
        block_size=BLOCK_SIZE,
        accuracy_level=COMPUTE_IN_FP32,
    )


def _blocks(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights [outputs, inputs] as [outputs, blocks, BLOCK_SIZE], padded with zeros."""
    outputs, inputs = weight.shape
    count = math.ceil(inputs / BLOCK_SIZE)
    filled = np.zeros((outputs, count * BLOCK_SIZE), np.float32)
    filled[:, :inputs] = weight
    return filled.reshape(outputs, count, BLOCK_SIZE)


def _scale(groups: NDArray[np.float32]) -> NDArray[np.float32]:
    """One scale per group (the last axis): its largest magnitude becomes the largest level."""
    scale: NDArray[np.float32] = np.abs(groups).max(axis=-1) / np.float32(INT4_MAXIMUM)
    return np.maximum(scale, np.float32(SMALLEST_SCALE))


def _levels(weight: NDArray[np.float32], scale: NDArray[np.float32]) -> NDArray[np.int8]:
    """Nearest integers in -7..7."""
    nearest: NDArray[np.float32] = np.clip(np.rint(weight / scale), -INT4_MAXIMUM, INT4_MAXIMUM)
    return nearest.astype(np.int8)


def _pack(levels: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Two nibbles a byte along the last axis, the first in the low half; an odd count gets a zero."""
    filling = [(0, 0)] * (levels.ndim - 1) + [(0, levels.shape[-1] % 2)]
    nibbles = np.pad(levels, filling).view(np.uint8) & np.uint8(0x0F)
    packed: NDArray[np.uint8] = nibbles[..., 0::2] | (nibbles[..., 1::2] << np.uint8(4))
    return packed
