"""Samples as the integers that a quantized input takes."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qutiperf.datasets.base import Array, Dataset, Description, Raw
from qutiperf.errors import InputError
from qutiperf.spec.config import nearest
from qutiperf.spec.workload import QuantizationSpec

_INTEGERS = ("int8", "uint8", "int16")


class Quantized(Dataset):
    """`round(real / scale) + zero_point`, clipped to the integer's range; halves round to even.

    The rule of TensorFlow Lite's and ONNX's QuantizeLinear (where halves also round to even).
    """

    def __init__(self, real: Dataset, dtype: str, quantization: QuantizationSpec) -> None:
        """Raises InputError for a type that is not an integer."""
        if dtype not in _INTEGERS:
            problem = f"model.input.quantization: the input is {dtype}, not an integer"
            raise InputError(problem, cure=nearest(dtype, _INTEGERS))
        self._real, self._quantization = real, quantization
        self.name, self.count, self.labels = real.name, real.count, real.labels
        self.sample_shape, self.dtype = real.sample_shape, np.dtype(dtype)

    @property
    def truth(self) -> Array | None:
        return self._real.truth

    def raw(self, index: int) -> Raw:
        return self._real.raw(index)

    def prepare(self, raw: Raw) -> Array:
        return self._quantize(self._real.prepare(raw))

    def load(self, indices: Sequence[int]) -> Array:
        return self._quantize(self._real.load(indices))

    def identity(self) -> str | None:
        return self._real.identity()

    def release(self) -> None:
        self._real.release()

    def describe(self) -> Description:
        return self._real.describe()

    def _quantize(self, real: Array) -> Array:
        return self.integers(real, self.dtype.name, self._quantization)

    @staticmethod
    def integers(real: Array, dtype: str, quantization: QuantizationSpec) -> Array:
        limits = np.iinfo(dtype)
        scaled: npt.NDArray[np.float64] = np.rint(real.astype(np.float64) / quantization.scale)
        return np.asarray((scaled + quantization.zero_point).clip(limits.min, limits.max), dtype)
