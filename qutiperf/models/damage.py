"""Converts parser exceptions for damaged model files to one-line errors that name the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from google.protobuf.message import DecodeError

from qutiperf.errors import InputError

_CURE = "export or convert it again"
_LONGEST = 160


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raises InputError for exceptions of protobuf, onnx, LiteRT and the counting rules on invalid bytes."""
    where = str(path)
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=where) from None
    except DecodeError:
        raise InputError("is not a model, or is damaged", where=where, cure=_CURE) from None
    except UnicodeError:
        raise InputError("is damaged: a name in it is not UTF-8 text", where=where, cure=_CURE) from None
    except (LookupError, ArithmeticError, ValueError, TypeError, RuntimeError, MemoryError) as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST]
        raise InputError(f"is damaged: {text}", where=where, cure=_CURE) from None


def name_of(name: object) -> str:
    """A tensor's name; raises UnicodeError for the bytes that protobuf gives where it is not UTF-8."""
    return name.decode() if isinstance(name, bytes) else str(name)
