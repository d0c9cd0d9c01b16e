"""MLPerf's ImageNet preprocessing, on images whose result can be worked out by hand."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from qutiperf.datasets import imagenet, open_dataset
from qutiperf.datasets.base import Dataset
from qutiperf.errors import InputError, SetupError
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.workload import InputSpec

cv2 = pytest.importorskip("cv2")


def folder_with(tmp_path: Path, height: int, width: int, colour: tuple[int, int, int] = (10, 20, 30)) -> Path:
    """One PNG (lossless) of one colour, given as red, green, blue."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = colour[::-1]
    cv2.imwrite(str(tmp_path / "one.png"), image)
    (tmp_path / "val_map.txt").write_text("one.png 65\n")
    return tmp_path


def opened(folder: Path, *shape: int, dtype: str = "float32", **more: str) -> Dataset:
    spec = DatasetSpec(name="imagenet", directory=str(folder), **more)  # type: ignore[arg-type]  # texts only
    return open_dataset(spec, InputSpec(name="x", dtype=dtype, shape=["batch", *shape]))


@pytest.mark.parametrize(("height", "width"), [(300, 500), (500, 300), (256, 256)])
def test_resnet50_subtracts_the_mean_colour(height: int, width: int, tmp_path: Path) -> None:
    dataset = opened(folder_with(tmp_path, height, width), 3, 224, 224)
    image = dataset.load([0])[0]
    expected = np.array([10, 20, 30], np.float32) - np.array([123.68, 116.78, 103.94], np.float32)
    assert image.shape == (3, 224, 224)
    assert (image == expected[:, np.newaxis, np.newaxis]).all()
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [65]


def test_mobilenet_is_from_minus_one_to_one(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, 300, 300, (0, 51, 255))
    image = opened(folder, 224, 224, 3, preprocessing="mobilenet").load([0])[0]
    assert image.shape == (224, 224, 3)
    assert image[0, 0].tolist() == pytest.approx([-1, -0.6, 1], abs=1e-6)


def test_bytes_are_resized_and_cropped_only(tmp_path: Path) -> None:
    image = opened(folder_with(tmp_path, 300, 300), 224, 224, 3, dtype="uint8").load([0])[0]
    assert image.dtype == np.uint8
    assert (image == [10, 20, 30]).all()


def test_jpeg_in_both_layouts(tmp_path: Path) -> None:
    """JPEG keeps grey exactly: value 128 is 0 in every coefficient."""
    folder = folder_with(tmp_path, 40, 30)
    cv2.imwrite(str(folder / "one.jpg"), np.full((40, 30), 128, np.uint8))
    (folder / "val_map.txt").write_text("one.jpg 3\n")
    first, last = (opened(folder, *shape).load([0])[0] for shape in ((3, 64, 32), (64, 32, 3)))
    assert (first.transpose(1, 2, 0) == last).all()
    means = np.array([123.68, 116.78, 103.94], np.float32)
    assert (last == np.float32(128) - means).all()


@pytest.mark.parametrize("preprocessing", ["resnet50", "mobilenet"])
@pytest.mark.parametrize(("height", "width", "left", "top"), [(512, 1024, 144, 16), (1024, 512, 16, 144)])
def test_the_shorter_side_becomes_eight_sevenths_of_the_crop(
    preprocessing: str, height: int, width: int, left: int, top: int, tmp_path: Path
) -> None:
    """Halved, 2x2 pixels of one value each become one pixel of that value, whatever the interpolation."""
    small = np.random.default_rng(1).integers(0, 256, (height // 2, width // 2, 3)).astype(np.uint8)
    folder = folder_with(tmp_path, 1, 1)
    cv2.imwrite(str(folder / "one.png"), small.repeat(2, axis=0).repeat(2, axis=1)[:, :, ::-1])
    image = opened(folder, 224, 224, 3, dtype="uint8", preprocessing=preprocessing).load([0])[0]
    assert (image == small[top : top + 224, left : left + 224]).all()


def test_a_count_takes_the_first(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, 10, 10)
    (folder / "val_map.txt").write_text("one.png 1\nmissing.png 2\n")
    spec = DatasetSpec(name="imagenet", directory=str(folder), count=1)
    dataset = open_dataset(spec, InputSpec(name="x", dtype="float32", shape=["n", 3, 224, 224]))
    assert (dataset.count, dataset.describe()["count"]) == (1, 1)


@pytest.mark.parametrize(("height", "width"), [(256, 512), (512, 256)])
def test_the_middle_is_kept(height: int, width: int) -> None:
    """At 256 on the shorter side nothing is resized: the crop is the middle 224 of each side."""
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([rows % 256, columns % 256, rows // 256 * 16 + columns // 256], axis=2).astype(np.uint8)
    cropped = imagenet.resized_and_cropped(image, 224, 224, "INTER_AREA")
    top, left = (height - 224) // 2, (width - 224) // 2
    assert (cropped == image[top : top + 224, left : left + 224]).all()


def test_wrong_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dataset.directory: missing"):
        open_dataset(
            DatasetSpec(name="imagenet"), InputSpec(name="x", dtype="float32", shape=["n", 3, 224, 224])
        )
    with pytest.raises(InputError, match=r"val_map.txt: cannot be read"):
        opened(tmp_path, 3, 224, 224)
    folder = folder_with(tmp_path, 10, 10)
    for text, message in [
        (
            "one.png 1\ntwo.png 2\nthree.png 3\n",
            "lacks 2 of 3 images, two.png first; put them beside it, or set",
        ),
        ("one.png\n", "has a line that is not `name label`"),
        ("one.png cat\n", "has a line that is not `name label`"),
        ("", "lists no image"),
    ]:
        (folder / "val_map.txt").write_text(text)
        with pytest.raises(InputError, match=message):
            opened(folder, 3, 224, 224)


def test_wrong_wishes(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, 10, 10)
    with pytest.raises(InputError, match=r"dataset.preprocessing: 'resnet51'; did you mean 'resnet50'\?"):
        opened(folder, 3, 224, 224, preprocessing="resnet51")
    with pytest.raises(
        InputError, match=r"model.input.shape: samples of \[224, 224\], not \[3, height, width\]"
    ):
        opened(folder, 224, 224)
    with pytest.raises(InputError, match=r"model.input.dtype: int8"):
        opened(folder, 3, 224, 224, dtype="int8")


def test_without_opencv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenet, "find_spec", lambda name: None)
    assert importlib.util.find_spec("cv2") is not None
    with pytest.raises(SetupError, match=r"OpenCV is not installed; pip install 'qutiperf\[images\]'"):
        opened(folder_with(tmp_path, 10, 10), 3, 224, 224)


def test_an_image_that_is_none(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, 10, 10)
    (folder / "one.png").write_bytes(b"no image")
    with pytest.raises(Exception, match="an image cannot be decoded"):
        opened(folder, 3, 224, 224).load([0])
