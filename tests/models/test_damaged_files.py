"""Model files that are damaged, hostile or unusual: one line that names the file, never a traceback."""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from qutiperf.errors import InputError, QutiperfError
from qutiperf.level0.count import requirements_of_file
from qutiperf.level0.subject import subject_of_file
from qutiperf.models.onnx_file import read_onnx
from qutiperf.models.tflite_file import read_tflite
from qutiperf.models.workload_of import workload_of_file
from tests.conftest import fails
from tests.places import CHECKOUT

MODELS = CHECKOUT / "scenarios" / "workloads" / "models"
READERS: tuple[Callable[[Path], object], ...] = (workload_of_file, requirements_of_file, subject_of_file)


def damaged(whole: bytes, seed: int) -> bytes:
    """Cut off, bytes replaced, or bits flipped near the start or the end, where the structure is."""
    dice, data = random.Random(seed), bytearray(whole)
    kind = seed % 4
    if kind == 0:
        return bytes(data[: dice.randrange(len(data))])
    near = min(len(data), len(data) if kind == 1 else 4000)
    for _ in range(dice.choice([1, 3, 10])):
        place = dice.randrange(near)
        data[-1 - place if kind == 2 else place] ^= dice.randrange(1, 256)
    return bytes(data)


def outcomes(whole: bytes, path: Path, seeds: range) -> Counter[str]:
    """How often a file was read or refused, with short and with long lines; other errors pass through."""
    seen: Counter[str] = Counter()
    for seed in seeds:
        path.write_bytes(damaged(whole, seed))
        for reader in READERS:
            try:
                reader(path)
            except QutiperfError as error:
                seen["refused" if len(str(error)) < 1000 else "refused at length"] += 1
            else:
                seen["read"] += 1
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["onnx", "tflite"])
@pytest.mark.parametrize("name", ["digits-mlp-12.5-int4", "digits-cnv-12.5-int8"])
def test_damaged_files_are_read_or_refused(name: str, suffix: str, tmp_path: Path) -> None:
    if suffix == "tflite":
        pytest.importorskip("ai_edge_litert")
    whole = (MODELS / f"{name}.{suffix}").read_bytes()
    seen = outcomes(whole, tmp_path / f"damaged.{suffix}", range(80))
    assert seen["refused"] + seen["read"] == 240
    assert seen["refused"] > 60


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["onnx", "tflite"])
def test_many_damaged_files(suffix: str, tmp_path: Path) -> None:
    if suffix == "tflite":
        pytest.importorskip("ai_edge_litert")
    for source in sorted(MODELS.glob(f"*-12.5-*.{suffix}")):
        seen = outcomes(source.read_bytes(), tmp_path / f"damaged.{suffix}", range(1000, 1250))
        assert seen["refused"] + seen["read"] == 750, source.name


def onnx_file(
    path: Path, shape: list[int | str | None], kind: int = TensorProto.FLOAT, name: str = "x"
) -> Path:
    graph = helper.make_graph(
        [helper.make_node("Flatten", [name], ["y"])],
        "g",
        [helper.make_tensor_value_info(name, kind, shape)],
        [helper.make_tensor_value_info("y", kind, None)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_an_element_type_that_onnx_does_not_define(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "m.onnx", [1, 2], kind=77)
    with pytest.raises(InputError) as caught:
        read_onnx(path)
    line = f"{path}: 'x' has the element type 77, which ONNX does not define; export the model again"
    assert str(caught.value) == line


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "m.onnx", [1, 2], name="input_of_the_model")
    path.write_bytes(path.read_bytes().replace(b"input_of_the_model", b"input_\xff\xfe_the_model"))
    for reader in READERS:
        with pytest.raises(InputError) as caught:
            reader(path)
        assert str(caught.value).startswith(f"{path}: is damaged: a name in it is not UTF-8 text; export or")


def test_names_in_tflite_files_that_are_not_utf_8(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    whole = (MODELS / "digits-mlp-12.5-fp32.tflite").read_bytes()
    name = read_tflite(MODELS / "digits-mlp-12.5-fp32.tflite").inputs[0].name.encode()
    path = tmp_path / "m.tflite"
    path.write_bytes(whole.replace(name, b"\xff" * len(name)))
    for reader in READERS:
        with pytest.raises(InputError) as caught:
            reader(path)
        assert str(caught.value).startswith(f"{path}: is damaged: a name in it is not UTF-8 text; export or")


def test_a_packed_product_without_its_sizes(tmp_path: Path) -> None:
    node = helper.make_node("MatMulNBits", ["x", "w"], ["y"], domain="com.microsoft")
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "m.onnx")
    with pytest.raises(InputError, match=r"cannot infer the shape of 'y', the output of com\.microsoft\.Mat"):
        requirements_of_file(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    "name", ["x" * 5000 + ".onnx", "x" * 5000 + ".tflite", "folder.onnx", "a\udcff.onnx"]
)
def test_paths_that_name_no_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.onnx").mkdir()
    for reader in READERS:
        with pytest.raises(InputError) as caught:
            reader(tmp_path / name)
        assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("shape", "given", "expected"),
    [
        ([-1, 3, 4], None, ["batch", 3, 4]),
        ([-1, 3, 4], "x=batch,3,4", ["batch", 3, 4]),
        ([-1, 3, 4], "x=-1,3,4", ["batch", 3, 4]),
        ([-1, 3, 4], "2,3,4", [2, 3, 4]),
        ([-1, -1, 4], "batch,3,4", ["batch", 3, 4]),
        ([None, "n", 4], "8,3,4", [8, 3, 4]),
    ],
)
def test_a_batch_of_minus_one_is_open(
    shape: list[int | str | None], given: str | None, expected: list[int | str], tmp_path: Path
) -> None:
    path = onnx_file(tmp_path / "m.onnx", shape)
    assert workload_of_file(path, given).model.input.shape == expected


def test_a_batch_of_minus_one_is_counted_as_one(tmp_path: Path) -> None:
    assert requirements_of_file(onnx_file(tmp_path / "m.onnx", [-1, 3, 4])).batch == 1


@pytest.mark.slow
@pytest.mark.parametrize("given", [[], ["--shape", "x=2,3,4"]])
def test_a_model_with_a_batch_of_minus_one_runs(given: list[str], tmp_path: Path) -> None:
    from qutiperf.cli import main

    path = onnx_file(tmp_path / "m.onnx", [-1, 3, 4])
    words = ["run", "--model", str(path), "--batch", "2", "--out", str(tmp_path / "out"), *given]
    assert main([*words, "--scenario", "Offline", "--set", "settings.min_duration_s=0.05"], debug=True) == 0


@pytest.mark.parametrize(
    ("shape", "written", "example"),
    [
        (["batch", "time"], "batch,time", "audio=batch,16"),
        ([None, 1, None], "?,1,?", "audio=batch,1,16"),
        ([4, "time", 80], "4,time,80", "audio=4,16,80"),
        ([-1, -1], "?,?", "audio=batch,16"),
    ],
)
def test_examples_are_of_the_models_own_input(
    shape: list[int | str | None],
    written: str,
    example: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = onnx_file(tmp_path / "m.onnx", shape, name="audio")
    words = ["run", "--model", str(path), "--out", str(tmp_path / "out")]
    line = fails(capsys, words, 2)
    problem = f"input 'audio' leaves sizes open: {written}; give them, for instance --shape {example}"
    assert line == f"qutiperf: {path}: {problem}"
    line = fails(capsys, [*words, "--shape", "1,2,3,4,5"], 2)
    problem = f"--shape 1,2,3,4,5: the file has {written}; fill in its open sizes: --shape {example}"
    assert line == f"qutiperf: {path}: {problem}"
    workload_of_file(path, example)
    numbers = example.replace("batch", "1")
    with pytest.raises(InputError) as caught:
        requirements_of_file(path)
    assert str(caught.value).endswith(f"give its sizes with --shape, for instance {numbers}")


def test_what_cannot_be_inferred_is_named(tmp_path: Path) -> None:
    """Not the node that needs the shape, but the one before it that nothing is known of."""
    nodes = [
        helper.make_node("Secret", ["x"], ["hidden"], name="first", domain="mine"),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("Softmax", ["active"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "m.onnx")
    for shapes in ({}, {"x": (4, 2)}):
        with pytest.raises(InputError) as caught:
            requirements_of_file(tmp_path / "m.onnx", shapes)
        assert str(caught.value) == (
            "m.onnx: ONNX cannot infer the shape of 'hidden', the output of mine.Secret; giving input shapes "
            "does not help: add the shape of this tensor to the file's value_info"
        )


def test_the_shape_of_a_tflite_file_is_used(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    path = MODELS / "digits-mlp-12.5-fp32.tflite"
    [source] = read_tflite(path).inputs
    alone = requirements_of_file(path)
    sizes = [4, *[int(size or 0) for size in source.shape[1:]]]
    four = requirements_of_file(path, {source.name: sizes})
    assert (alone.batch, four.batch, four.ops) == (1, 4, alone.ops)
    with pytest.raises(InputError, match="has no input 'y'; allowed: "):
        requirements_of_file(path, {"y": [1, 2]})
    with pytest.raises(InputError, match=r"shape \[4\] does not fit input '.*'; give "):
        requirements_of_file(path, {source.name: [4]})
