"""The seeded random weights of parts as ONNX constants, in every datatype."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from qutiperf.element_type import bits_of_bfloat16
from qutiperf.errors import SetupError
from qutiperf.spec.build import WEIGHT_BLOCK, DatatypeName

# int8 weights use seven bits: without VNNI, x86 adds products of 8 bits in pairs of 16 bits, which saturate
MOST_INT8_WEIGHT = 64
DEVIATIONS = 4.0  # of a normal distribution that the range of a quantised tensor covers
Real = NDArray[np.float32]
ONNX_TYPES: dict[DatatypeName, int] = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
_BITS = {"int4": 4, "int2": 2}


@dataclass(slots=True)
class PartWeights:
    """Collects constants; every method returns the name of what it adds.

    With `declare` weights have no values, which is enough to count. `sparsity` is in percent, or 2:4.
    """

    sparsity: int | str
    seed: int
    declare: bool = False
    tensors: list[onnx.TensorProto] = field(default_factory=list)
    generator: np.random.Generator = field(default_factory=np.random.default_rng)

    def __post_init__(self) -> None:
        self.generator = np.random.default_rng(self.seed)

    def constant(self, values: NDArray[np.generic]) -> str:
        return self._added(numpy_helper.from_array(np.asarray(values)))

    def real(self, values: NDArray[np.generic], datatype: DatatypeName) -> str:
        """Values in fp16 or bf16 if that is the datatype, else in fp32."""
        if datatype == "bf16":
            bits = bits_of_bfloat16(values)
            kind = TensorProto.BFLOAT16
            return self._added(TensorProto(data_type=kind, dims=values.shape, raw_data=bits.tobytes()))
        return self.constant(values.astype(np.float16 if datatype == "fp16" else np.float32))

    def real_weight(self, dims: list[int], deviation: float, datatype: DatatypeName) -> str:
        if self.declare:
            return self._declared(dims, ONNX_TYPES.get(datatype, TensorProto.FLOAT))
        return self.real(self._sparse(self.normal(dims, deviation)), datatype)

    def int8_weight(self, dims: list[int], deviation: float) -> str:
        """Integers in steps of `int8_scale`."""
        if self.declare:
            return self._declared(dims, TensorProto.INT8)
        scaled = np.rint(self._sparse(self.normal(dims, deviation)) / int8_scale(deviation))
        return self.constant(np.clip(scaled, -MOST_INT8_WEIGHT, MOST_INT8_WEIGHT).astype(np.int8))

    def block_weight(self, dims: list[int], deviation: float, datatype: DatatypeName) -> tuple[str, str]:
        """Integers of 4 or 2 bits [inputs, outputs], and the scales of their blocks of inputs.

        The scales differ by up to a third from their mean, so that a mistaken order of blocks shows. Raises
        SetupError if the installed onnx has no such type.
        """
        bits, kind = _BITS[datatype], _type_of_bits(datatype)
        blocks = [dims[0] // WEIGHT_BLOCK, *dims[1:]]
        if self.declare:
            return self._declared(dims, kind), self._declared(blocks, TensorProto.FLOAT)
        least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        factors = 2 / 3 + self.generator.random(blocks, np.float32) * 2 / 3
        # half of a normal distribution's reach for 2 bits, which have one positive value
        scales = (factors * deviation * (DEVIATIONS / -least if bits > 2 else 1.0)).astype(np.float32)
        values = self._sparse(self.normal(dims, deviation))
        whole = np.clip(np.rint(values / np.repeat(scales, WEIGHT_BLOCK, axis=0)), least, most)
        packed = TensorProto(data_type=kind, dims=dims, raw_data=_packed(whole.astype(np.int8), bits))
        return self._added(packed), self.constant(scales)

    def vector(self, size: int, datatype: DatatypeName, *, positive: bool) -> str:
        """A small constant of a normalisation; variances and scales are from 0.5 to 1.5."""
        return self.real(self.generator.random(size, np.float32) + (0.5 if positive else -0.5), datatype)

    def normal(self, dims: Sequence[int], deviation: float) -> Real:
        values: Real = self.generator.standard_normal(tuple(dims), np.float32)
        return values * np.float32(deviation)

    def _sparse(self, values: Real) -> Real:
        """Weights with zeros at random places, or with two zeros in each four neighbours."""
        if self.sparsity == 0:
            return values
        flat = values.reshape(-1)
        places = self.generator.random(flat.size, np.float32)
        if isinstance(self.sparsity, int):
            flat = np.where(places < self.sparsity / 100, np.float32(0), flat)
        else:
            whole = flat.size // 4 * 4
            ranks = places[:whole].reshape(-1, 4).argsort(axis=1).argsort(axis=1)
            flat = np.concatenate(
                [np.where(ranks.reshape(-1) < 2, np.float32(0), flat[:whole]), flat[whole:]]
            )
        return flat.reshape(values.shape)

    def _added(self, tensor: onnx.TensorProto) -> str:
        tensor.name = f"constant_{len(self.tensors)}"
        self.tensors.append(tensor)
        return tensor.name

    def _declared(self, dims: Sequence[int], kind: int) -> str:
        return self._added(TensorProto(dims=dims, data_type=kind))


def deviation_of(fan_in: int) -> float:
    """Of weights whose products keep their size through an activation function like relu."""
    return math.sqrt(2 / fan_in)


def int8_scale(deviation: float) -> float:
    return float(np.float32(DEVIATIONS * deviation / MOST_INT8_WEIGHT))


def _type_of_bits(datatype: DatatypeName) -> int:
    kind: int | None = getattr(TensorProto, datatype.upper(), None)
    if kind is None:
        problem = f"onnx {onnx.__version__} has no {datatype}"
        raise SetupError(problem, cure="python -m pip install --upgrade onnx")
    return kind


def _packed(whole: NDArray[np.int8], bits: int) -> bytes:
    """Several integers a byte, the first in the lowest bits, as ONNX stores them."""
    each = 8 // bits
    flat = (whole.reshape(-1).view(np.uint8) & (2**bits - 1)).astype(np.uint8)
    flat = np.concatenate([flat, np.zeros(-flat.size % each, np.uint8)])
    shifts = np.arange(each, dtype=np.uint8) * bits
    joined: NDArray[np.uint8] = np.bitwise_or.reduce(flat.reshape(-1, each) << shifts, axis=1)
    return joined.astype(np.uint8).tobytes()
