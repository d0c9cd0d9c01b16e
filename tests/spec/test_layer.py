"""Layers as data: shapes by hand, one line for what cannot be, and the same digests as before for others."""

from pathlib import Path

import pytest
import yaml

from qutiperf.errors import InputError
from qutiperf.spec.block import Block
from qutiperf.spec.config import parse_model
from qutiperf.spec.layer import Convolution, Pool, same_padding
from qutiperf.spec.workload import ModelSpec, Workload, load_workload


def workload(**model: object) -> Workload:
    data = {"name": "it", "task": "none", "dataset": {"name": "synthetic"}, "model": model}
    return parse_model(Workload, data, "it.yaml")


FIRE = {"kind": "fire", "in_channels": 2, "channels": 2, "out_channels": 4, "size": 4}
MLP = {"name": "image", "dtype": "float32", "shape": ["batch", 784]}
CONVOLUTION = {"kind": "convolution", "in_channels": 3, "out_channels": 8, "size": 9}


def test_a_layer_brings_its_tensors() -> None:
    model = workload(layer=CONVOLUTION).model
    assert (model.input.name, model.input.dtype, model.input.shape) == (
        "input",
        "float32",
        ["batch", 3, 9, 9],
    )
    assert [(output.name, output.kind) for output in model.outputs] == [("output", "tensor")]
    assert not model.many
    integers = workload(layer=CONVOLUTION, build={"datatype": "int8"}).model
    assert integers.input.dtype == "uint8"
    two = workload(layer={"kind": "elementwise", "shape": [4]}).model
    assert [spec.name for spec in two.inputs] == ["input_0", "input_1"]
    assert two.many
    assert ModelSpec.model_validate_json(two.model_dump_json()) == two


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "output"),
    [
        (9, 3, 1, [1, 1, 1, 1], (8, 9, 9)),
        (9, 3, 2, [1, 1, 1, 1], (8, 5, 5)),
        (224, 7, 2, [2, 2, 3, 3], (8, 112, 112)),
        ([8, 6], [1, 3], 1, [0, 1, 0, 1], (8, 8, 6)),
        (8, 1, 2, [0, 0, 0, 0], (8, 4, 4)),
    ],
)
def test_shapes_by_hand(
    size: object, kernel: object, stride: object, padding: list[int], output: tuple[int, ...]
) -> None:
    layer = Convolution.model_validate({**CONVOLUTION, "size": size, "kernel": kernel, "stride": stride})
    assert layer.pads == padding == same_padding(layer.size, layer.kernel, layer.stride)
    assert layer.output_shape == output


def test_pools_and_blocks_by_hand() -> None:
    pool = Pool(channels=2, size=[6, 6], kernel=[3, 3], stride=[2, 2])
    assert pool.output_shape == (2, 2, 2)
    assert pool.model_copy(update={"ceil": True}).output_shape == (2, 3, 3)
    assert Pool(channels=2, size=[6, 5], operator="global_average").output_shape == (2, 1, 1)
    block = Block(kind="residual", in_channels=4, channels=2, out_channels=8, size=[7, 7], stride=[2, 2])
    assert block.projects
    assert [layer.output_shape for layer in block.layers] == [(2, 7, 7), (2, 4, 4), (8, 4, 4), (8, 4, 4)]
    assert block.output_shape == (8, 4, 4)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            {"layer": {**CONVOLUTION, "kernel": 11, "padding": [0, 0, 0, 0]}},
            "model.layer.convolution: kernel: 11 is larger than the padded input of 9",
        ),
        (
            {"layer": {**CONVOLUTION, "groups": 2}},
            "model.layer.convolution: groups: 2 does not divide 3 and 8 channels",
        ),
        ({"layer": {**CONVOLUTION, "kind": "conv"}}, "Input tag 'conv' .* 'convolution', 'dense'"),
        ({"layer": CONVOLUTION, "build": {"datatype": "int3"}}, "model.build.datatype: should be 'fp32'"),
        ({"layer": CONVOLUTION, "build": {"sparsity": 33}}, "model.build.sparsity: should be 0"),
        ({"layer": CONVOLUTION, "build": {"weight_copies": 0}}, "model.build.weight_copies: .*greater"),
        ({"stack": [CONVOLUTION, CONVOLUTION]}, "stack.1: takes .*3, 9, 9.*, but the layer before gives"),
        ({"stack": [CONVOLUTION]}, "give two or more"),
        ({"layer": CONVOLUTION, "block": FIRE},
            "has several of layer, stack and block, give one",
        ),
        ({"build": {}}, "has none of layer, stack and block"),
        ({"layer": CONVOLUTION, "topology": {"name": "mlp"}}, "has a file or topology beside"),
        ({"layer": {"kind": "dense", "inputs": 900_000, "outputs": 900_000}}, "more than 500,000,000"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line(model: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        workload(**model)
    assert "\n" not in str(caught.value)


def test_a_workload_file_may_name_a_layer(tmp_path: Path) -> None:
    path = tmp_path / "layer.yaml"
    head = {"kind": "workload", "schema_version": 1, "name": "it", "task": "none"}
    data = {**head, "dataset": {"name": "synthetic"}, "model": {"layer": CONVOLUTION}}
    path.write_text(yaml.safe_dump(data))
    loaded, _ = load_workload(str(path))
    assert loaded.model.part is not None
    assert loaded.model.is_built


def test_other_models_are_stored_as_before() -> None:
    output = {"name": "scores", "kind": "scores"}
    stored = workload(topology={"name": "mlp"}, input=MLP, output=output)
    keys = set(stored.model.model_dump())
    assert not keys & {"layer", "stack", "block", "build"}
