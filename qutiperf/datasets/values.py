"""Values of every type of element: constants, random ones, and arrays that hold them in another form."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from qutiperf.datasets.base import Array
from qutiperf.element_type import (
    BFLOAT16,
    MOST_BFLOAT16,
    STRING,
    array_type,
    bits_of_bfloat16,
    texts,
)

Value = float | int | bool | str
_BYTES = {"int8": (-128, 127), "uint8": (0, 255)}
_LENGTHS = (1, 16)  # of random texts
_LONGEST = 65_536  # characters
_FIRST_LETTER, _LAST_LETTER = ord("a"), ord("z")


def constant(dtype: str, shape: tuple[int, ...], value: Value) -> Array:
    """The same value everywhere, which `holds` allows."""
    if dtype == BFLOAT16:
        return bits_of_bfloat16(np.full(shape, value, np.float32))
    return np.full(shape, value, array_type(dtype))


def holds(dtype: str, value: Value) -> bool:
    """Whether a text or a finite number is a value of the type, or is rounded to one."""
    if dtype == STRING or isinstance(value, str):
        return dtype == STRING and isinstance(value, str)
    if not math.isfinite(value):
        return False
    if dtype == BFLOAT16:
        return abs(value) <= MOST_BFLOAT16
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return abs(value) <= float(np.finfo(kind.name).max)
    if kind.kind == "b":
        return value in (0, 1)
    limits = np.iinfo(kind.name)
    return value == int(value) and int(limits.min) <= value <= int(limits.max)


def default_range(dtype: str) -> tuple[float, float]:
    """Bytes over their whole range; other integers may be indices, so that only 0 and 1 are safe.

    Of text it is the number of characters.
    """
    return _LENGTHS if dtype == STRING else _BYTES.get(dtype, (0, 1))


def takes_range(dtype: str, low: float, high: float) -> bool:
    """Whether random values can be made from the first to the last; of text these are lengths."""
    if dtype == STRING:
        return all(value == int(value) and 0 <= value <= _LONGEST for value in (low, high))
    return holds(dtype, low) and holds(dtype, high)


def random_values(
    generator: np.random.Generator, dtype: str, shape: tuple[int, ...], limits: tuple[float, float]
) -> Array:
    """Uniform from the first to the last limit; integers and lengths include both."""
    low, high = limits
    if dtype == STRING:
        return _random_texts(generator, shape, int(low), int(high))
    if dtype == BFLOAT16 or np.dtype(dtype).kind == "f":
        reals = low + (high - low) * generator.random(shape, np.float32)
        return bits_of_bfloat16(np.asarray(reals)) if dtype == BFLOAT16 else np.asarray(reals).astype(dtype)
    return np.asarray(generator.integers(int(low), int(high), shape, endpoint=True)).astype(dtype)


def _random_texts(generator: np.random.Generator, shape: tuple[int, ...], low: int, high: int) -> Array:
    """Of lower-case letters."""
    ends = np.cumsum(generator.integers(low, high, math.prod(shape), endpoint=True))
    count = int(ends[-1]) if len(ends) else 0
    letters = generator.integers(_FIRST_LETTER, _LAST_LETTER, count, np.uint8, endpoint=True)
    whole, starts = letters.tobytes().decode("ascii"), [0, *ends.tolist()]
    return texts(np.array([whole[a:b] for a, b in pairwise(starts)], object).reshape(shape))


def elements_of(array: Array, dtype: str) -> Array | None:
    """An array as one of such elements, None if it has other ones.

    Bits of bfloat16 are uint16 or numpy's two unknown bytes, as which it saves the type of ml_dtypes;
    real numbers are rounded. Texts are numpy's, or UTF-8.
    """
    if dtype == STRING:
        return _as_texts(array)
    if dtype == BFLOAT16:
        if array.dtype == np.dtype("V2"):
            return array.view(np.uint16)
        if array.dtype.kind == "f":
            return bits_of_bfloat16(array)
    return array if array.dtype == array_type(dtype) else None


def _as_texts(array: Array) -> Array | None:
    if array.dtype.kind not in "SU":
        return None
    try:
        return texts(array)
    except UnicodeDecodeError:
        return None


def described(dtype: str) -> str:
    """What an array for such elements may have, for a message."""
    return {BFLOAT16: "bfloat16, as real numbers or as its bits in uint16", STRING: "text"}.get(dtype, dtype)


def example(dtype: str, shape: Sequence[int]) -> str:
    """A Python expression of an array that fits."""
    if dtype == STRING:
        return f"numpy.full({tuple(shape)}, 'text')"
    return f"numpy.zeros({tuple(shape)}, '{'float32' if dtype == BFLOAT16 else dtype}')"
