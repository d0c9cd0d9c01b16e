"""Normalisation and order of channels, as a workload declares them."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from qutiperf.datasets import open_samples
from qutiperf.errors import InputError
from qutiperf.spec.normalisation import NormalisationSpec
from qutiperf.spec.workload import Workload

COLOURS = np.arange(2 * 3 * 2 * 2, dtype=np.float32).reshape(2, 3, 2, 2)
DIGITS = {"name": "digits"}
GREY = ["batch", 1, 8, 8]


def workload(dataset: dict[str, object], shape: list[object], **more: object) -> Workload:
    return Workload.model_validate(
        {
            "name": "w",
            "task": "image-classification",
            "dataset": dataset,
            "model": {
                "input": {"name": "x", "dtype": "float32", "shape": shape, **more},
                "output": {"name": "y", "kind": "scores"},
            },
        }
    )


def npz(folder: Path, array: np.ndarray, **more: object) -> dict[str, object]:
    np.savez(folder / "data.npz", x=array)
    return {"name": "npz", "file": str(folder / "data.npz"), **more}


def test_values_are_scaled_before_the_mean_is_subtracted() -> None:
    plain = open_samples(workload({**DIGITS}, GREY)).load([3, 5])
    changed = {"normalisation": {"scale": 255, "mean": [10], "std": [4]}}
    scaled = open_samples(workload({**DIGITS, **changed}, GREY)).load([3, 5])
    np.testing.assert_allclose(scaled.astype(float), (plain.astype(float) * 255 - 10) / 4, rtol=1e-5)
    assert scaled.dtype == np.float32


@pytest.mark.parametrize("channels_last", [False, True])
def test_means_are_those_of_red_green_and_blue(tmp_path: Path, channels_last: bool) -> None:
    array = COLOURS.transpose(0, 2, 3, 1) if channels_last else COLOURS
    changed = {"normalisation": {"mean": [1, 2, 3], "std": [1, 2, 4]}, "channel_order": "bgr"}
    loaded = open_samples(workload(npz(tmp_path, array, **changed), ["batch", *array.shape[1:]])).load([0, 1])
    expected = np.stack(
        [(COLOURS[:, 2] - 3) / 4, (COLOURS[:, 1] - 2) / 2, COLOURS[:, 0] - 1], axis=3 if channels_last else 1
    )
    np.testing.assert_array_equal(loaded, expected)
    assert loaded.flags.c_contiguous


def test_one_sample_is_prepared_as_many_are(tmp_path: Path) -> None:
    data = open_samples(workload(npz(tmp_path, COLOURS, channel_order="bgr"), ["batch", 3, 2, 2]))
    np.testing.assert_array_equal(data.prepare(data.raw(1)), data.load([1])[0])


def test_quantized_inputs_are_normalised_before_they_are_rounded() -> None:
    changed = {"normalisation": {"mean": [0.5], "std": [0.5]}}
    quantized = {"dtype": "int8", "quantization": {"scale": 1 / 127}}
    plain = open_samples(workload({**DIGITS}, GREY)).load([0])
    loaded = open_samples(workload({**DIGITS, **changed}, GREY, **quantized)).load([0])
    np.testing.assert_array_equal(loaded, np.rint((plain.astype(float) * 2 - 1) * 127).astype(np.int8))


def test_unset_keys_are_not_in_the_digest() -> None:
    assert set(workload({**DIGITS}, GREY).model_dump()["dataset"]).isdisjoint(
        {"normalisation", "channel_order"}
    )


@pytest.mark.parametrize(
    ("changed", "shape", "dtype", "problem"),
    [
        ({"channel_order": "bgr"}, GREY, "float32", "samples of [1, 8, 8] do not have three channels"),
        ({"normalisation": {"mean": [1, 2, 3]}}, GREY, "float32", "mean: 3 numbers for samples of [1, 8, 8]"),
        ({"normalisation": {"std": [1, 2]}}, GREY, "float32", "std: 2 numbers for samples of [1, 8, 8]"),
        ({"normalisation": {}}, GREY, "uint8", "the model takes uint8, which cannot be scaled"),
    ],
)
def test_what_the_samples_do_not_have_is_refused(
    changed: dict[str, object], shape: list[object], dtype: str, problem: str
) -> None:
    with pytest.raises(InputError, match=problem.replace("[", r"\[").replace("]", r"\]")):
        open_samples(workload({**DIGITS, **changed}, shape, dtype=dtype))


@pytest.mark.parametrize(
    "values", [{"scale": 1e300}, {"scale": 0}, {"std": [-1]}, {"mean": [1e39]}, {"mean": []}]
)
def test_numbers_beyond_a_float_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        NormalisationSpec.model_validate(values)
