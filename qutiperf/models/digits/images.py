"""The handwritten digits as one small .npz: made from scikit-learn, read with numpy alone."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qutiperf.errors import InputError, SetupError

SHIPPED_DIGITS = Path(__file__).parents[2] / "datasets" / "data" / "digits.npz"
TEST_IMAGES = 500
SPLIT_SEED = 1998
PIXEL_MAXIMUM = 16
ZIP_TIME = (1980, 1, 1, 0, 0, 0)

Split = Literal["train", "test"]


@dataclass(frozen=True, slots=True)
class Digits:
    """Images as the models take them, float32 [n, 1, 8, 8] in 0..1, and their classes, int64 [n]."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


def read_digits(path: Path, split: Split) -> Digits:
    """Raises InputError when the file is missing, damaged or lacks an array."""
    try:
        with path.open("rb") as stream, np.load(stream) as arrays:
            chosen = arrays["is_test"] == (split == "test")
            pixels, labels = arrays["images"][chosen], arrays["labels"][chosen]
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(
            f"holds no digits: {error}", where=str(path), cure="make it with --make-digits"
        ) from None
    images = (pixels.astype(np.float32) / PIXEL_MAXIMUM)[:, np.newaxis]
    return Digits(images, labels.astype(np.int64))


def write_digits(path: Path) -> None:
    """Writes the same bytes every time (fixed order and dates); raises SetupError without scikit-learn."""
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ModuleNotFoundError:
        raise SetupError("scikit-learn is not installed", cure="pip install 'qutiperf[train]'") from None

    pixels, labels = load_digits(return_X_y=True)
    _, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_IMAGES, stratify=labels, random_state=SPLIT_SEED
    )
    is_test = np.zeros(len(labels), dtype=np.bool_)
    is_test[test] = True
    images = pixels.reshape(-1, 8, 8).astype(np.uint8)
    _write_npz(path, images, labels.astype(np.uint8), is_test)


def _write_npz(
    path: Path, images: NDArray[np.uint8], labels: NDArray[np.uint8], is_test: NDArray[np.bool_]
) -> None:
    entries = (("images", images), ("labels", labels), ("is_test", is_test))
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in entries:
            entry = zipfile.ZipInfo(f"{name}.npy", ZIP_TIME)
            archive.writestr(entry, _npy_bytes(array), zipfile.ZIP_DEFLATED, 9)


def _npy_bytes(array: NDArray[np.uint8] | NDArray[np.bool_]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
