"""Suites: pure expansion with stable names, states and stacks by hand, limits before anything is built."""

from pathlib import Path

import pytest
import yaml

from qutiperf.errors import InputError
from qutiperf.microbench.measured_parts import key_of
from qutiperf.microbench.stacks import layers_of
from qutiperf.spec import catalog
from qutiperf.spec.config import parse_model
from qutiperf.spec.microbench import (
    MicrobenchSuite,
    check_memory,
    copies_to_stream,
    expand_suite,
    load_suite,
    stacked,
    workload_of,
)
from qutiperf.spec.workload import Workload

GROUPED = {"kind": "convolution", "in_channels": 3, "out_channels": 4, "size": 9, "groups": 2}
DENSE = {"kind": "dense", "inputs": 1000, "outputs": 1000}
RELU = {"kind": "function", "operator": "relu", "shape": [[8]]}


def suite(**data: object) -> MicrobenchSuite:
    return parse_model(MicrobenchSuite, {"name": "it"} | data, "it.yaml")


def test_alternatives_are_crossed() -> None:
    parts = expand_suite(
        suite(
            datatypes=["fp32", "int8"],
            layers=[{"kind": "dense", "inputs": [8, 16], "outputs": [4, 8]}],
            blocks=[
                {"kind": "fire", "in_channels": 8, "channels": 2, "out_channels": 4, "size": [4, [5, 6]]}
            ],
        ),
        "it",
        None,
    )
    assert len(parts) == 2 * (4 + 2)
    assert [part.label for part in parts[:3]] == ["dense-8-4", "dense-8-4", "dense-8-8"]
    assert {part.label for part in parts[-2:]} == {"fire-8x5x6-4x5x6"}
    assert len({part.name for part in parts}) == len(parts)


def test_names_are_stable() -> None:
    """A changed digest would measure every layer of existing results again."""
    [part] = expand_suite(suite(layers=[DENSE]), "it", None)
    assert part.name == "dense-1000-1000-fp32-f76dd95b"
    assert workload_of(part).name == part.name


def test_stacks_are_of_layers_that_take_their_own_output() -> None:
    parts = expand_suite(suite(depths=[1, 2, 4], layers=[DENSE, {**DENSE, "outputs": 10}]), "it", None)
    assert [part.label for part in parts] == [
        *("dense-1000-1000", "2-dense-1000-1000", "4-dense-1000-1000", "dense-1000-10"),
    ]
    assert parts[2].part.stack is not None
    assert len(parts[2].part.stack) == 4
    assert stacked(parts[3].part, 2) is None


@pytest.mark.parametrize(
    ("cache_bytes", "copies"), [(None, None), (4e6, 2), (32e6, 10), (205e6, None), (204e6, 64)]
)
def test_streamed_copies_exceed_the_cache(cache_bytes: float | None, copies: int | None) -> None:
    """4 MB of weights: 1.25 x 32 MB need ten copies, 1.25 x 205 MB would need more than 64."""
    [part] = expand_suite(suite(layers=[DENSE]), "it", None)
    assert copies_to_stream(part.part, cache_bytes) == copies
    states = expand_suite(suite(weights=["resident", "streamed"], layers=[DENSE]), "it", cache_bytes)
    assert [one.part.build.weight_copies for one in states] == ([1] if copies is None else [1, copies])


def test_samples_stay_in_memory() -> None:
    large = {"kind": "convolution", "in_channels": 64, "out_channels": 1, "size": 1000}
    workloads = [workload_of(part) for part in expand_suite(suite(layers=[DENSE, large]), "it", None)]
    assert [workload.dataset.count for workload in workloads] == [64, 1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "it: has no layers, stacks or blocks"),
        ({"layers": [{**DENSE, "inputs": []}]}, "it: has no layers"),
        ({"layers": [{**DENSE, "kind": "Dense"}]}, "it: layers.0: layer: Input tag 'Dense'"),
        (
            {"layers": [DENSE, GROUPED]},
            "it: layers.1: layer.convolution: groups: 2 does not divide 3 and 4 channels",
        ),
        ({"stacks": [[DENSE, {**DENSE, "inputs": 8}]]}, "stack.1: takes .*8.*, but the layer before gives"),
        (
            {"layers": [{"kind": "dense", "inputs": list(range(1, 999)), "outputs": list(range(1, 999))}]},
            "it: has up to 996,004 points, far more than 10,000",
        ),
    ],
)  # fmt: skip
def test_a_wrong_suite_is_one_line(data: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        expand_suite(suite(**data), "it", None)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"datatypes": ["int3"]}, "datatypes.0: should be 'fp32'"),
        ({"sparsities": [10]}, "sparsities.0: should be 0"),
        ({"depths": [3]}, "depths.0: should be 1, 2 or 4"),
        ({"batch_sizes": []}, "batch_sizes: should not be empty"),
        ({"name": "../it"}, "name: String should match pattern"),
        ({"layer": []}, "layer: unknown key; did you mean 'layers'"),
    ],
)
def test_wrong_keys_are_named(data: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        suite(**data)


def test_a_suite_larger_than_memory_is_known_before_building() -> None:
    parts = expand_suite(suite(layers=[{**DENSE, "inputs": 20_000, "outputs": 20_000}]), "it", None)
    message = r"dense-20000-20000: 14\.4 GB of weights and activations at batch 1 do not fit into 2 GB"
    with pytest.raises(InputError, match=message):
        check_memory(parts, 1, 2, "it")
    check_memory(parts, 1, 16, "it")
    attention = {"kind": "attention", "rows": 100_000, "width": 8}
    [scores] = expand_suite(suite(layers=[attention]), "it", None)
    assert scores.memory_bytes(1) == pytest.approx(4 * (2 * 100_000**2 + 5 * 800_000 + 2 * 4 * 64) + 28 * 256)
    with pytest.raises(InputError, match=r"22\.4 GB of weights and activations at batch 50,000"):
        check_memory(parts, 50_000, 8, "it")


@pytest.mark.parametrize("name", catalog.names("microbench"))
def test_shipped_suites_expand(name: str) -> None:
    loaded, _ = load_suite(name)
    parts = expand_suite(loaded, name, 32e6)
    assert 0 < len(parts) * len(loaded.batch_sizes) <= 10_000
    assert len({part.name for part in parts}) == len(parts)


def test_the_published_suite_has_the_published_layers() -> None:
    """19 shapes and 8 distinct blocks, of 52 convolutions and 16 blocks."""
    loaded, _ = load_suite("resnet50-published")
    parts = expand_suite(loaded.model_copy(update={"datatypes": ["fp32"]}), "it", None)
    assert len([part for part in parts if part.part.layer]) == 19
    assert len([part for part in parts if part.part.block]) == 8


def test_a_suite_file_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        yaml.safe_dump({"kind": "microbench", "schema_version": 1, "name": "mine", "layers": [DENSE]})
    )
    assert load_suite(str(path))[0].name == "mine"
    with pytest.raises(InputError, match=r"no microbench named 'cor'.*did you mean 'core'"):
        load_suite("cor")


def test_datatypes_that_a_layer_cannot_have_are_left_out_unless_nothing_is_left() -> None:
    both = suite(layers=[{**DENSE, "inputs": 64, "outputs": 8}, RELU], datatypes=["int4", "bf16"])
    parts = expand_suite(both, "it", None)
    assert [(part.label, part.part.build.datatype) for part in parts] == [
        *(("dense-64-8", "int4"), ("dense-64-8", "bf16"), ("relu-8-8", "bf16")),
    ]
    with pytest.raises(InputError, match="it: has nothing that can be built: function layers have no"):
        expand_suite(suite(layers=[RELU], datatypes=["int4"]), "it", None)


def test_the_layers_of_pairs_in_the_shipped_suite_are_measured_alone_too() -> None:
    loaded, _ = load_suite("core")
    parts = expand_suite(loaded, "core", None)
    alone = {key_of(one.part) for one in parts if one.part.layer is not None}
    pairs = [
        one.part for one in parts if one.part.stack is not None and one.part.stack[0] != one.part.stack[1]
    ]
    assert [pair.build.label for pair in pairs] == 2 * ["fp32", "int8", "int8+fp32", "fp32+int8"]
    assert all(key_of(layer) in alone for pair in pairs for layer in layers_of(pair))


def test_stacks_of_unlike_datatypes() -> None:
    layer = {"kind": "dense", "inputs": 8, "outputs": 8}
    stacks = [[layer, layer]]
    parts = expand_suite(suite(layers=[], stacks=stacks, mixed=[["int8", "fp32"]]), "it", None)
    assert [part.part.build.label for part in parts] == ["fp32", "int8+fp32"]
    assert parts[1].name.startswith("2-dense-8-8-int8-fp32-")
    assert parts[1].part.tensors["inputs"] == [{"name": "input", "dtype": "uint8", "shape": ["batch", 8]}]
    assert parts[1].part.weight_bytes == 64 + 256
    assert len({key_of(part.part) for part in parts}) == 2
    with pytest.raises(InputError, match=r"it: mixed\.0: has 3 datatypes, but no stack has as many layers"):
        expand_suite(suite(layers=[], stacks=stacks, mixed=[["fp32"] * 3]), "it", None)


def test_parts_that_have_one_datatype_are_stored_as_before() -> None:
    [part] = expand_suite(suite(layers=[{**DENSE, "inputs": 8, "outputs": 8}]), "it", None)
    assert set(part.part.build.model_dump()) == {"datatype", "sparsity", "weight_copies", "seed"}


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ({"datatypes": ["int8"]}, "build.datatypes: has 1, but the part has 2 layers"),
        ({"datatypes": []}, "build.datatypes: has 0, but the part has 2 layers"),
        ({"datatypes": ["int8", "fp32", "fp32"]}, "build.datatypes: has 3, but the part has 2 layers"),
        ({"datatypes": ["int8", "fp32"], "datatype": "fp32"}, "datatypes: begins with int8, but datatype is"),
        ({"datatypes": "int8"}, "datatypes: "),
    ],
)
def test_wrong_datatypes_are_one_line(build: dict[str, object], message: str) -> None:
    layer = {"kind": "dense", "inputs": 8, "outputs": 8}
    data = {"name": "it", "task": "none", "dataset": {"name": "synthetic"}}
    with pytest.raises(InputError, match=message) as caught:
        parse_model(Workload, {**data, "model": {"stack": [layer, layer], "build": build}}, "it.yaml")
    assert "\n" not in str(caught.value)
