"""Types of a tensor's elements that numpy lacks: bfloat16, kept as uint16 bits, and text, as Python's str.

Standard library and numpy only, in Python 3.9 syntax: this module also runs on devices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.generic]

BFLOAT16 = "bfloat16"
STRING = "string"
BEYOND_NUMPY = (BFLOAT16, STRING)
MOST_BFLOAT16 = 3.3895313892515355e38
_KEPT_AS = {BFLOAT16: np.dtype(np.uint16), STRING: np.dtype(object)}


def array_type(name: str) -> np.dtype[np.generic]:
    """The numpy type of the arrays that hold such elements."""
    return _KEPT_AS.get(name) or np.dtype(name)


def canonical(name: str) -> str:
    """One spelling of each type."""
    return name if name in _KEPT_AS else np.dtype(name).name


def type_of(array: Array) -> str:
    """The type of the elements of an output; bits of bfloat16 cannot be told from uint16."""
    return STRING if array.dtype.kind in "OSU" else array.dtype.name


def zeros(shape: tuple[int, ...], name: str) -> Array:
    """Empty texts where the elements are text."""
    return np.full(shape, "", object) if name == STRING else np.zeros(shape, array_type(name))


def bits_of_bfloat16(reals: Array) -> Array:
    """Rounded to the nearest, halves to even; NaN stays NaN."""
    whole = np.ascontiguousarray(reals, np.float32).view(np.uint32).astype(np.uint64)
    rounded = (whole + 0x7FFF + ((whole >> 16) & 1)) >> 16
    not_a_number = (whole >> 16) | 0x40
    bits = np.where(np.isnan(reals.astype(np.float32)), not_a_number, rounded).astype(np.uint16)
    return np.asarray(bits).reshape(reals.shape)


def reals_of_bfloat16(bits: Array) -> Array:
    """The same numbers in float32."""
    wide = np.asarray(bits).astype(np.uint32) << np.uint32(16)
    return np.asarray(np.ascontiguousarray(wide).view(np.float32)).reshape(bits.shape)


def texts(array: Array) -> Array:
    """Python's str for each element; raises UnicodeDecodeError for bytes that are not UTF-8."""
    flat = [each.decode("utf-8") if isinstance(each, bytes) else str(each) for each in array.ravel().tolist()]
    made = np.empty(len(flat), object)
    made[:] = flat
    return made.reshape(array.shape)
