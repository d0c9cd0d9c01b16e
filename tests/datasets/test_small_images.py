"""digits, MNIST and CIFAR-10: values, layouts, damaged files."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from qutiperf.datasets import open_dataset
from qutiperf.errors import InputError
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.workload import InputSpec
from tests.places import CHECKOUT

REAL_MNIST = CHECKOUT.parent / "shared" / "data" / "mnist"


def asks(*shape: int, dtype: str = "float32") -> InputSpec:
    return InputSpec(name="x", dtype=dtype, shape=["batch", *shape])


def test_digits_split() -> None:
    test, train = (
        open_dataset(DatasetSpec(name="digits", split=split), asks(1, 8, 8)) for split in ("test", "train")
    )
    assert (test.count, train.count) == (500, 1297)
    assert test.labels is not None
    assert set(np.bincount(test.labels)) <= set(range(45, 55))
    first = test.load([0])
    assert first.shape == (1, 1, 8, 8)
    assert first.dtype == np.float32
    # the ninth image that scikit-learn distributes, an 8, is the first of the split
    assert test.labels[:8].tolist() == [8, 9, 7, 8, 1, 0, 0, 1]
    assert (16 * first[0, 0, 0]).tolist() == [0, 0, 9, 14, 8, 1, 0, 0]
    assert (16 * first[0, 0, 7]).tolist() == [0, 0, 11, 16, 15, 11, 1, 0]
    assert set((16 * test.load(range(500))).astype(int).ravel().tolist()) == set(range(17))


@pytest.mark.parametrize("shape", [(1, 8, 8), (8, 8, 1), (8, 8), (64,)])
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_one_by_one_equals_all_at_once(shape: tuple[int, ...], dtype: str) -> None:
    dataset = open_dataset(DatasetSpec(name="digits"), asks(*shape, dtype=dtype))
    together = dataset.load([7, 3, 3])
    assert (together.shape, together.dtype) == ((3, *shape), np.dtype(dtype))
    assert together.flags.c_contiguous
    for row, index in zip(together, [7, 3, 3], strict=True):
        assert (dataset.prepare(dataset.raw(index)) == row).all()


def test_a_count_takes_the_first() -> None:
    dataset = open_dataset(DatasetSpec(name="digits", count=10), asks(64))
    assert dataset.count == 10
    assert dataset.describe()["count"] == 10


def idx(
    folder: Path, name: str, array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], compress: bool = False
) -> Path:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    data = header + array.tobytes()
    path = folder / (f"{name}.gz" if compress else name)
    path.write_bytes(gzip.compress(data) if compress else data)
    return path


IMAGES = np.arange(2 * 28 * 28, dtype=np.uint32).reshape(2, 28, 28).astype(np.uint8)
MNIST_LABELS = np.array([7, 2], np.uint8)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("separator", ["-", "."])
def test_mnist(compress: bool, separator: str, tmp_path: Path) -> None:
    idx(tmp_path, f"t10k-images{separator}idx3-ubyte", IMAGES, compress)
    idx(tmp_path, f"t10k-labels{separator}idx1-ubyte", MNIST_LABELS, compress)
    dataset = open_dataset(DatasetSpec(name="mnist", directory=str(tmp_path)), asks(28, 28, 1))
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [7, 2]
    assert dataset.load([1])[0, 0, 3, 0] == np.float32(IMAGES[1, 0, 3]) / np.float32(255)


def test_damaged_mnist(tmp_path: Path) -> None:
    spec = DatasetSpec(name="mnist", directory=str(tmp_path))
    images = idx(tmp_path, "t10k-images-idx3-ubyte", IMAGES)
    idx(tmp_path, "t10k-labels-idx1-ubyte", MNIST_LABELS)
    whole = images.read_bytes()
    for data, message in [
        (b"", "is not an IDX file of unsigned bytes with 3 dimensions"),
        (whole[:-1], "has 1583 bytes, but its header says 1584; fetch it again"),
        (whole[:7], "is not an IDX file of unsigned bytes with 3 dimensions"),
        (b"\0\0\x0d\x03" + whole[4:], "is not an IDX file of unsigned bytes"),
        (gzip.compress(whole)[:-9], "cannot be read"),
        (gzip.compress(whole)[:40] + b"damage", "cannot be read"),
    ]:
        images.write_bytes(data)
        with pytest.raises(InputError, match=message):
            open_dataset(spec, asks(28, 28))
    idx(tmp_path, "t10k-images-idx3-ubyte", IMAGES[:1])
    with pytest.raises(InputError, match="has 1 images but 2 labels"):
        open_dataset(spec, asks(28, 28))
    idx(tmp_path, "t10k-images-idx3-ubyte", IMAGES[:0])
    idx(tmp_path, "t10k-labels-idx1-ubyte", MNIST_LABELS[:0])
    with pytest.raises(InputError, match="has no images"):
        open_dataset(spec, asks(28, 28))


@pytest.mark.slow
def test_the_real_mnist() -> None:
    if not REAL_MNIST.is_dir():
        pytest.skip("MNIST has no open licence and is not shipped: no folder beside the checkout has it")
    dataset = open_dataset(DatasetSpec(name="mnist", directory=str(REAL_MNIST)), asks(1, 28, 28))
    assert dataset.labels is not None
    assert (dataset.count, dataset.labels[:4].tolist()) == (10_000, [7, 2, 1, 0])


def cifar(folder: Path, name: str, labels: list[int]) -> Path:
    pixels = np.arange(3072, dtype=np.uint32).astype(np.uint8).tobytes()
    path = folder / name
    path.write_bytes(b"".join(bytes([label]) + pixels for label in labels))
    return path


def test_cifar10(tmp_path: Path) -> None:
    for number in range(1, 6):
        cifar(tmp_path, f"data_batch_{number}.bin", [number])
    cifar(tmp_path, "test_batch.bin", [9, 0])
    directory = str(tmp_path)
    train = open_dataset(DatasetSpec(name="cifar10", directory=directory, split="train"), asks(3, 32, 32))
    assert train.labels is not None
    assert train.labels.tolist() == [1, 2, 3, 4, 5]
    first, last = (
        open_dataset(DatasetSpec(name="cifar10", directory=directory), asks(*shape, dtype="uint8")).load([1])[
            0
        ]
        for shape in ((3, 32, 32), (32, 32, 3))
    )
    assert (first.transpose(1, 2, 0) == last).all()
    assert last[0, 1].tolist() == [1, (1024 + 1) % 256, (2048 + 1) % 256]


def test_damaged_cifar10(tmp_path: Path) -> None:
    spec = DatasetSpec(name="cifar10", directory=str(tmp_path))
    path = cifar(tmp_path, "test_batch.bin", [1])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="has 3072 bytes, which is not a multiple of 3073"):
        open_dataset(spec, asks(3, 32, 32))
    cifar(tmp_path, "test_batch.bin", [10])
    with pytest.raises(InputError, match="has the label 10"):
        open_dataset(spec, asks(3, 32, 32))
    with pytest.raises(InputError, match=r"data_batch_1.bin: cannot be read: No such file"):
        open_dataset(DatasetSpec(name="cifar10", directory=str(tmp_path), split="train"), asks(3, 32, 32))


def test_synthetic_samples_do_not_depend_on_each_other() -> None:
    spec = DatasetSpec(name="synthetic", count=5)
    one, other = (open_dataset(spec, asks(3, 4)) for _ in range(2))
    assert (one.load([4, 2])[1] == other.load([0, 2])[1]).all()
    assert one.labels is None
    seeded = open_dataset(DatasetSpec(name="synthetic", count=5, seed=2), asks(3, 4))
    assert (seeded.load([2]) != one.load([2])).any()


@pytest.mark.parametrize(
    "dtype", ["float32", "float16", "float64", "uint8", "int8", "int32", "int64", "bool"]
)
def test_synthetic_types(dtype: str) -> None:
    samples = open_dataset(DatasetSpec(name="synthetic", count=5), asks(1000, dtype=dtype)).load(range(5))
    assert samples.dtype == np.dtype(dtype)
    low, high = samples.min(), samples.max()
    assert low >= (-128 if dtype == "int8" else 0)
    assert high <= (1 if samples.dtype.kind in "fb" else 127 if dtype == "int8" else 255)
    assert low != high
