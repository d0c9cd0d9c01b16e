"""ImageNet's validation images from a folder with MLPerf's val_map.txt, preprocessed as MLPerf does.

The rules are those of mlcommons/inference, vision/classification_and_detection/python/dataset.py:
`resnet50` is its pre_process_vgg, `mobilenet` its pre_process_mobilenet. OpenCV's own resizing is part
of the rule.
"""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from qutiperf.datasets.base import Array, Dataset, Description, Raw, dtype_of
from qutiperf.errors import InputError, RunError, SetupError
from qutiperf.spec.config import canonical_json, nearest
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.workload import InputSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

Pixels = npt.NDArray[np.uint8]
VAL_MAP = "val_map.txt"
_TYPES = ("float32", "uint8")
_SCALE_PERCENT = 87.5  # the crop's share of the resized image's shorter side
_RESNET50_MEANS = (123.68, 116.78, 103.94)  # red, green, blue
_INTERPOLATION = {"resnet50": "INTER_AREA", "mobilenet": "INTER_LINEAR"}


class ImageNet(Dataset):
    """JPEG files: resized and cropped pixels for uint8 inputs, normalised ones for float32 inputs."""

    name = "imagenet"

    def __init__(self, spec: DatasetSpec, model_input: InputSpec) -> None:
        self._preprocessing = spec.preprocessing or "resnet50"
        if self._preprocessing not in _INTERPOLATION:
            cure = nearest(self._preprocessing, _INTERPOLATION)
            raise InputError(
                f"dataset.preprocessing: '{self._preprocessing}'", where="dataset imagenet", cure=cure
            )
        if find_spec("cv2") is None:
            raise SetupError(
                "OpenCV is not installed", where="dataset imagenet", cure="pip install 'qutiperf[images]'"
            )
        self._unit = spec.normalisation is not None
        self.sample_shape = model_input.sample_shape
        self.dtype = dtype_of(model_input, _TYPES, "dataset imagenet")
        self._channels_first, self._height, self._width = _layout(self.sample_shape)
        self._files, labels = _val_map(spec)
        self.labels = np.array(labels, np.int64)
        self.count = len(self._files)

    def raw(self, index: int) -> Raw:
        try:
            return self._files[index].read_bytes()
        except OSError as error:
            raise RunError(f"cannot be read: {error.strerror}", where=str(self._files[index])) from None

    def prepare(self, raw: Raw) -> Array:
        import cv2

        encoded = np.frombuffer(raw, np.uint8)
        image = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if encoded.size else None
        if image is None:
            raise RunError("an image cannot be decoded", where="dataset imagenet")
        pixels = resized_and_cropped(
            np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8),
            self._height,
            self._width,
            _INTERPOLATION[self._preprocessing],
        )
        arranged = self._values(pixels)
        return arranged.transpose(2, 0, 1) if self._channels_first else arranged

    def identity(self) -> str:
        """The files by name, size and times, as 50,000 images are not read for this; and OpenCV's version."""
        import cv2

        status = [(path.name, path.stat()) for path in self._files]
        files = [(name, each.st_size, each.st_mtime_ns, each.st_ctime_ns) for name, each in status]
        return canonical_json([self.describe(), cv2.__version__, files, self._unit])

    def _values(self, pixels: Pixels) -> Array:
        """0 to 1 if something else normalises them."""
        if self.dtype != np.float32:
            return pixels
        if self._unit:
            return pixels.astype(np.float32) / np.float32(255)
        return normalised(pixels, self._preprocessing)

    def describe(self) -> Description:
        digest = hashlib.sha256()
        for path in self._files:
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        digest.update(self.labels.tobytes() if self.labels is not None else b"")
        return {
            "name": self.name,
            "split": "validation",
            "count": self.count,
            "preprocessing": f"MLPerf {self._preprocessing}",
            "licence": "ImageNet's terms of access",
            "sha256_of_names_sizes_labels": digest.hexdigest(),
        }


def resized_and_cropped(image: Pixels, height: int, width: int, interpolation: str) -> Pixels:
    """[h, w, 3] to [height, width, 3]: the shorter side is resized to crop / 0.875, the centre is cropped."""
    import cv2

    new_height, new_width = int(100.0 * height / _SCALE_PERCENT), int(100.0 * width / _SCALE_PERCENT)
    old_height, old_width = image.shape[:2]
    if old_height > old_width:
        size = new_width, int(new_height * old_height / old_width)
    else:
        size = int(new_width * old_width / old_height), new_height
    resized = cv2.resize(image, size, interpolation=getattr(cv2, interpolation))
    left, top = int((size[0] - width) / 2), int((size[1] - height) / 2)
    return np.asarray(resized[top : top + height, left : left + width], np.uint8)


def normalised(pixels: Pixels, preprocessing: str) -> npt.NDArray[np.float32]:
    """resnet50: subtracts the mean colour; mobilenet: scales to -1..1; float32 in MLPerf's order of steps."""
    values = pixels.astype(np.float32)
    if preprocessing == "resnet50":
        values -= np.array(_RESNET50_MEANS, np.float32)
    else:
        values /= 255.0
        values -= 0.5
        values *= 2
    return values


def _layout(shape: tuple[int, ...]) -> tuple[bool, int, int]:
    """Whether channels come first, the height and the width; raises InputError for other shapes."""
    if len(shape) == 3 and shape[0] == 3:
        return True, shape[1], shape[2]
    if len(shape) == 3 and shape[2] == 3:
        return False, shape[0], shape[1]
    what = f"model.input.shape: samples of {list(shape)}, not [3, height, width] or [height, width, 3]"
    raise InputError(what, where="dataset imagenet", cure="use a model for colour images")


def _val_map(spec: DatasetSpec) -> "tuple[list[Path], Sequence[int]]":
    """Paths and labels of the lines `name label`; raises InputError if lines or images are missing."""
    if spec.directory is None:
        cure = f"name a folder with the images and {VAL_MAP}"
        raise InputError("dataset.directory: missing", where="dataset imagenet", cure=cure)
    path = Path(spec.directory) / VAL_MAP
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        entries = [(path.parent / name, int(label)) for name, label in lines][: spec.count]
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", where=str(path), cure="MLPerf's lists are `name label`"
        ) from None
    except ValueError:
        raise InputError(
            "has a line that is not `name label`", where=str(path), cure="use MLPerf's val_map.txt"
        ) from None
    missing = [entry.name for entry, _ in entries if not entry.is_file()]
    if missing or not entries:
        what = (
            f"lacks {len(missing)} of {len(entries)} images, {missing[0]} first"
            if missing
            else "lists no image"
        )
        raise InputError(what, where=str(path), cure="put them beside it, or set dataset.count")
    return [entry for entry, _ in entries], [label for _, label in entries]
