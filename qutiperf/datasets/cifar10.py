"""CIFAR-10 in its original binary files, from a folder that the user names.

Format: https://www.cs.toronto.edu/~kriz/cifar.html (a label byte, then 3x32x32 pixels, 10,000 a file).
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from qutiperf.datasets.images_in_memory import ImagesInMemory, Source
from qutiperf.errors import InputError
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.workload import InputSpec

LICENCE = "not stated by its authors (A. Krizhevsky, V. Nair, G. Hinton)"
_RECORD = 1 + 3 * 32 * 32
_FILES = {"train": [f"data_batch_{number}.bin" for number in range(1, 6)], "test": ["test_batch.bin"]}
_CURE = "name a folder with data_batch_1.bin to _5.bin and test_batch.bin in dataset.directory"


def open_cifar10(spec: DatasetSpec, model_input: InputSpec) -> ImagesInMemory:
    """Raises InputError if the folder, a file, or bytes of it are missing."""
    if spec.directory is None:
        raise InputError("dataset.directory: missing", where="dataset cifar10", cure=_CURE)
    records = np.concatenate([_records(Path(spec.directory) / name) for name in _FILES[spec.split]])
    images = records[:, 1:].reshape(-1, 3, 32, 32)
    return ImagesInMemory(
        Source("cifar10", images, records[:, 0].astype(np.int64), 255, LICENCE), spec, model_input
    )


def _records(path: Path) -> npt.NDArray[np.uint8]:
    """[n, 3073] of one file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path), cure=_CURE) from None
    if not data or len(data) % _RECORD:
        what = f"has {len(data)} bytes, which is not a multiple of {_RECORD}"
        raise InputError(what, where=str(path), cure="fetch it again, in the binary version")
    records = np.frombuffer(data, np.uint8).reshape(-1, _RECORD)
    if records[:, 0].max() > 9:
        raise InputError(
            f"has the label {records[:, 0].max()}", where=str(path), cure="is it CIFAR-10's binary version?"
        )
    return records
