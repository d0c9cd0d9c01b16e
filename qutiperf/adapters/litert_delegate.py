"""Checks and loads the library of a TensorFlow Lite delegate."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from qutiperf.errors import SetupError

if TYPE_CHECKING:
    from types import ModuleType

_SYMBOLS = ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate")
_THIS_PROGRAM = Path("/proc/self/exe")
# e_machine of an ELF header
_MACHINES = {3: "x86", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}


def load_delegate(runtime: ModuleType, library: str, options: dict[str, str]) -> Any:  # noqa: ANN401  # no types published
    """The runtime's delegate object; raises SetupError."""
    check_library(library)
    try:
        return runtime.load_delegate(library, options)
    except (ValueError, RuntimeError) as error:
        _, _, message = str(error).partition("\n")  # the first line only reports the failure
        reason = (
            message.strip()
            or "it gives no reason; check that its device is connected and its options are right"
        )
        raise SetupError(f"the delegate cannot be created: {reason}", where=library) from None


def check_library(library: str) -> None:
    """Raises SetupError if the library is missing, for another machine, or not a delegate."""
    if os.sep in library and not Path(library).is_file():
        raise SetupError("there is no such delegate library", where=library, cure="set delegate to its path")
    theirs, ours = machine_of(Path(library)), machine_of(_THIS_PROGRAM)
    if theirs is not None and ours is not None and theirs != ours:
        raise SetupError(f"the delegate library is for {theirs}, this Python is {ours}", where=library)
    try:
        loaded = ctypes.CDLL(library)
    except OSError as error:
        cure = "install it with its dependencies, or set delegate to its path"
        raise SetupError(
            f"the delegate library cannot be loaded: {error}", where=library, cure=cure
        ) from None
    for symbol in _SYMBOLS:
        if not hasattr(loaded, symbol):
            raise SetupError(f"the library is not a TFLite delegate: it has no {symbol}", where=library)


def machine_of(path: Path) -> Optional[str]:
    """The machine in a file's ELF header; None if the file is missing or not ELF."""
    try:
        with path.open("rb") as file:
            header = file.read(20)
    except OSError:
        return None
    if len(header) < 20 or header[:4] != b"\x7fELF":
        return None
    order = "<" if header[5] == 1 else ">"
    (number,) = struct.unpack_from(f"{order}H", header, 18)
    return _MACHINES.get(number, f"machine {number}")
