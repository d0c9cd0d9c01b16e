"""Samples with other values or another order of channels than the dataset gives."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qutiperf.datasets.base import Array, Dataset, Description, Raw
from qutiperf.errors import InputError
from qutiperf.spec.config import canonical_json
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.normalisation import ChannelOrder, NormalisationSpec

COLOURS = 3


class Normalised(Dataset):
    """First the normalisation of floats, by the dataset's order of channels, then the order."""

    def __init__(self, real: Dataset, spec: DatasetSpec) -> None:
        """Raises InputError for values or channels that the samples do not have."""
        self._real, self._normalisation = real, spec.normalisation
        self._order: ChannelOrder = spec.channel_order or "rgb"
        self.name, self.count, self.labels = real.name, real.count, real.labels
        self.sample_shape, self.dtype = real.sample_shape, real.dtype
        self._axis = channel_axis(real.sample_shape)
        _check(spec, real, self._axis)

    def raw(self, index: int) -> Raw:
        return self._real.raw(index)

    def prepare(self, raw: Raw) -> Array:
        return self._changed(self._real.prepare(raw)[np.newaxis])[0]  # type: ignore[no-any-return]  # numpy's stubs

    def load(self, indices: Sequence[int]) -> Array:
        return self._changed(self._real.load(indices))

    @property
    def truth(self) -> Array | None:
        return self._real.truth

    def identity(self) -> str | None:
        real = self._real.identity()
        values = None if self._normalisation is None else self._normalisation.model_dump()
        return None if real is None else canonical_json([real, values, self._order])

    def release(self) -> None:
        self._real.release()

    def describe(self) -> Description:
        return self._real.describe()

    def _changed(self, values: Array) -> Array:
        scaled = normalised(values, self._normalisation, self._axis)
        return reordered(scaled, self._order, self._axis).astype(self.dtype, copy=False)


def with_normalisation(real: Dataset, spec: DatasetSpec) -> Dataset:
    """The dataset itself if nothing is to be changed; raises InputError as Normalised."""
    unchanged = spec.normalisation is None and spec.channel_order in (None, "rgb")
    return real if unchanged else Normalised(real, spec)


def channel_axis(sample_shape: Sequence[int]) -> int | None:
    """The axis of one or three channels of an image, None if there is none."""
    if len(sample_shape) != 3:
        return None
    return next((axis for axis in (0, 2) if sample_shape[axis] in (1, COLOURS)), None)


def normalised(values: Array, spec: NormalisationSpec | None, axis: int | None) -> Array:
    """[n, *sample_shape] in float32; the same array if there is nothing to do."""
    if spec is None:
        return values
    shape = [1] * values.ndim
    if axis is not None and max(len(spec.mean), len(spec.std)) > 1:
        shape[axis + 1] = COLOURS
    mean, std = (_shaped(numbers, shape) for numbers in (spec.mean, spec.std))
    return np.asarray((values.astype(np.float32) * np.float32(spec.scale) - mean) / std, np.float32)


def _shaped(numbers: Sequence[float], shape: Sequence[int]) -> npt.NDArray[np.float32]:
    array = np.array(numbers, np.float32)
    return array.reshape(shape) if len(numbers) > 1 else array


def reordered(values: Array, order: ChannelOrder, axis: int | None) -> Array:
    """[n, *sample_shape] with its channels in this order."""
    if order == "rgb" or axis is None:
        return values
    return np.ascontiguousarray(np.flip(values, axis + 1))


def _check(spec: DatasetSpec, real: Dataset, axis: int | None) -> None:
    shape, where = list(real.sample_shape), f"dataset {real.name}"
    colours = axis is not None and shape[axis] == COLOURS
    if spec.channel_order == "bgr" and not colours:
        problem = f"dataset.channel_order: samples of {shape} do not have three channels"
        raise InputError(problem, where=where, cure="leave it out")
    if spec.normalisation is None:
        return
    if real.dtype.kind != "f":
        problem = f"dataset.normalisation: the model takes {real.dtype}, which cannot be scaled"
        raise InputError(problem, where=where, cure="leave it out, or give model.input.quantization")
    for name, numbers in (("mean", spec.normalisation.mean), ("std", spec.normalisation.std)):
        if len(numbers) > 1 and not (colours and len(numbers) == COLOURS):
            problem = f"dataset.normalisation.{name}: {len(numbers)} numbers for samples of {shape}"
            raise InputError(problem, where=where, cure="give one, or one for each of three channels")
