"""Topologies: the published shapes, the same weights for the same seed, clear errors."""

import numpy as np
import pytest
from onnxruntime.capi.onnxruntime_inference_collection import InferenceSession

from qutiperf.errors import InputError
from qutiperf.models.topologies import TOPOLOGIES, build, declare


@pytest.mark.parametrize(("name", "scale"), [("mlp", 12.5), ("cnv", 12.5), ("mobilenet", 25.0)])
def test_a_built_network_runs(name: str, scale: float) -> None:
    model = build(name, scale, seed=3)
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0]
    images = np.zeros((2, *[int(size) for size in source.shape[1:]]), np.float32)
    scores = np.asarray(session.run(None, {source.name: images})[0])
    assert scores.shape == (2, 10 if name in {"mlp", "cnv"} else 1000)


def test_the_seed_decides_the_weights() -> None:
    first, again, other = (build("mlp", 12.5, seed=seed).SerializeToString() for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", sorted(TOPOLOGIES))
def test_every_topology_is_a_valid_graph(name: str) -> None:
    model = declare(name, batch=4)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 4
    assert model.graph.output[0].name == "scores"


def test_input_size_and_batch_are_free() -> None:
    assert declare("mobilenet", 100.0, 128).graph.input[0].type.tensor_type.shape.dim[2].dim_value == 128


@pytest.mark.parametrize(
    ("name", "scale", "size", "message"),
    [
        ("resnet-50", 100.0, None, "no topology named 'resnet-50'; did you mean 'resnet50'"),
        ("mlp", 0.0, None, "mlp: a channel scale of 0 %; give 0.1 to 1,000 %"),
        ("cnv", 100.0, 12, "cnv: an input of 12 pixels is too small"),
        ("cnv", 100.0, -1, "cnv: an input of -1 pixels; give 1 to 10,000"),
    ],
)
def test_bad_input_is_one_line(name: str, scale: float, size: int | None, message: str) -> None:
    with pytest.raises(InputError) as caught:
        declare(name, scale, size)
    assert message in str(caught.value)
