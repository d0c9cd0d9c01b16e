"""Models with several tensors over the network: a device server in a process of its own."""

import json
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection

import numpy as np
import pytest

from qutiperf.adapters import protocol
from qutiperf.adapters.base import Array, InputTensor, Model
from qutiperf.adapters.open_inference import OpenInference, Options
from qutiperf.device.configuration import Configuration, read_configuration, to_json
from qutiperf.errors import InputError
from tests import graphs
from tests.adapters.test_network import Served


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = graphs.decaying(tmp_path_factory.mktemp("model") / "m.onnx")
    state = InputTensor("state", "float32", (1, 2), 1)
    return Model(
        *(str(path), "x", "float32", (2,), "out"), more_inputs=(state,), more_outputs=("next",), many=True
    )


@pytest.fixture(scope="module")
def device(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("device") / "device.json"
    path.write_text(to_json(Configuration("onnxruntime", model, batch_size=4)))
    served = Served("--config", str(path))
    yield served
    served.close()


@pytest.fixture
def far(device: Served, model: Model) -> Iterator[OpenInference]:
    adapter = OpenInference()
    adapter.load(model, Options(url=device.url))
    yield adapter
    adapter.close()


def test_a_configuration_with_several_tensors_is_read_as_it_was_written(model: Model) -> None:
    made = Configuration("onnxruntime", model)
    assert read_configuration(to_json(made), "here") == made
    data = json.loads(to_json(made))
    data["model"]["more_inputs"][0]["shap"] = [1]
    with pytest.raises(InputError, match=r"here: model\.more_inputs: shap: unknown key"):
        read_configuration(json.dumps(data), "here")


@pytest.mark.parametrize("count", [1, 3])
def test_every_tensor_travels(count: int, far: OpenInference) -> None:
    x = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
    state = np.full((1, count, 2), 10, np.float32)
    (out, following), compute_ns = far.infer_many((x, state))
    assert out.tolist() == (x + 5).tolist()
    assert (following.shape, following.tolist()) == ((1, count, 2), [out.tolist()])
    assert compute_ns is not None
    assert compute_ns > 0


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"more_inputs": ()}, r"its inputs are \['x', 'state'\], not \['x'\]"),
        ({"more_outputs": ("last",)}, r"it has no output 'last', but \['out', 'next'\]"),
        ({"more_inputs": (InputTensor("state", "float16", (1, 2), 1),)}, "its input is FP32, not float16"),
        (
            {"more_inputs": (InputTensor("state", "float32", (1, 3), 1),)},
            r"its samples are \[1, 2\], not \[1, 3\]",
        ),
    ],
)
def test_another_model_is_refused(
    change: dict[str, object], problem: str, device: Served, model: Model
) -> None:
    with pytest.raises(InputError, match=problem):
        OpenInference().load(replace(model, **change), Options(url=device.url))  # type: ignore[arg-type]


def asked(device: Served, tensors: list[tuple[str, Array]], outputs: object = None) -> dict[str, object]:
    header: protocol.Header = {} if outputs is None else {"outputs": outputs}
    _, parts = protocol.encode(header, "inputs", tensors, binary=False)
    connection = HTTPConnection(device.url.removeprefix("http://"))
    connection.request("POST", "/v2/models/model/infer", b"".join(bytes(part) for part in parts))
    found: dict[str, object] = json.loads(connection.getresponse().read())
    connection.close()
    return found


X, STATE = np.ones((2, 2), np.float32), np.ones((1, 2, 2), np.float32)


@pytest.mark.parametrize(
    ("tensors", "outputs", "problem"),
    [
        ([("x", X)], None, "its inputs are ['x'], not ['x', 'state']"),
        ([("x", X), ("state", STATE[:, :1])], None, "its inputs have batches of [2, 1]"),
        ([("x", X), ("state", STATE[0])], None, "input 'state' is [2, 2], not [1, 1 to 4, 2]"),
        ([("x", X), ("state", STATE.astype(np.int32))], None, "input 'state' is int32, not float32"),
        ([("x", X), ("state", STATE)], [{"name": "y"}], "its outputs are not ['out', 'next']"),
        ([("x", X), ("state", STATE)], [{"name": "out"}] * 2, "its outputs are not ['out', 'next']"),
        ([("x", X), ("state", STATE)], [3], "its outputs are not ['out', 'next']"),
        ([("x", X), ("state", STATE)], "out", "its outputs are not ['out', 'next']"),
    ],
)
def test_requests_that_do_not_fit(
    tensors: list[tuple[str, Array]], outputs: object, problem: str, device: Served
) -> None:
    assert asked(device, tensors, outputs) == {"error": problem}


def test_inputs_in_any_order_and_chosen_outputs(device: Served) -> None:
    found = asked(device, [("state", STATE), ("x", X)], [{"name": "next"}])
    assert isinstance(found["outputs"], list)
    [output] = found["outputs"]
    assert (output["name"], output["shape"], output["data"]) == ("next", [1, 2, 2], [1.5] * 4)


def test_metadata_list_every_tensor(device: Served) -> None:
    connection = HTTPConnection(device.url.removeprefix("http://"))
    connection.request("GET", "/v2/models/model")
    found = json.loads(connection.getresponse().read())
    connection.close()
    assert [(each["name"], each["shape"]) for each in found["inputs"]] == [
        ("x", [-1, 2]),
        ("state", [1, -1, 2]),
    ]
    assert [each["name"] for each in found["outputs"]] == ["out", "next"]
