"""Every type of element that ONNX and TFLite have, through real models on each runtime."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from qutiperf.adapters import protocol
from qutiperf.adapters.base import Array, InputTensor, Model
from qutiperf.adapters.open_inference import OpenInference, Options
from qutiperf.cli import main
from qutiperf.device.configuration import Configuration, to_json
from qutiperf.element_type import BFLOAT16, STRING, bits_of_bfloat16, reals_of_bfloat16
from qutiperf.errors import InputError
from qutiperf.harness.loaded_model import LoadedModel
from qutiperf.models.workload_of import Given, workload_of_file
from qutiperf.run.pairing import pair
from qutiperf.spec.sut import load_sut
from qutiperf.spec.workload import DTYPES, Workload
from tests import graphs
from tests.adapters.test_network import Served
from tests.conftest import SutFile, fails
from tests.harness.test_many import loaded

KINDS = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    **{
        name: TensorProto.DataType.Value(name.upper())
        for name in DTYPES
        if name not in ("float32", "float64")
    },
}
PLAIN = set(DTYPES) - {BFLOAT16, STRING}
SUTS = {"cpu-onnxruntime": "onnxruntime", "cpu-openvino": "openvino", "cpu-litert": "ai_edge_litert"}


def test_every_type_is_in_the_list() -> None:
    assert set(KINDS) == set(DTYPES)
    assert len(DTYPES) == 14


def model_file(folder: Path, sut: str, types: dict[str, str]) -> Path:
    """With an input for each name; OpenVINO 2026.4 frees memory twice if an input of text is an output."""
    kinds = {name: KINDS[dtype] for name, dtype in types.items()}
    if sut != "cpu-litert":
        write = graphs.twice if sut == "cpu-openvino" else graphs.copies
        return write(folder / "m.onnx", kinds)
    from tests.tflite_graphs import copies

    return copies(folder / "m.tflite", [(name, dtype, (-1, 2)) for name, dtype in types.items()])


def answers(model: LoadedModel, indices: list[int]) -> tuple[list[Array], list[Array]]:
    """The samples that went in, and what came out of all outputs."""
    samples = model.samples(False)
    model.tune(len(indices))
    samples.load(range(model.dataset.count))
    batch = samples.gather(indices, samples.scratch(len(indices)))
    if not isinstance(batch, tuple):
        return [batch], [np.array(model.adapters[0].infer(batch)[0])]
    return list(batch), [np.array(each) for each in model.adapters[0].infer_many(batch)[0]]


def as_answered(array: Array, dtype: str, sut: str) -> Array:
    whole = reals_of_bfloat16(array) if dtype == BFLOAT16 else array
    return np.concatenate([whole, whole], axis=1) if sut == "cpu-openvino" else whole


ONE_BY_ONE = [
    # OpenVINO compiles for a good while, and all types are in one model below
    pytest.param(sut, dtype, marks=[pytest.mark.slow] * (sut == "cpu-openvino" and dtype in PLAIN))
    for sut in SUTS
    for dtype in DTYPES
]


@pytest.mark.slow
@pytest.mark.parametrize(("sut", "dtype"), ONE_BY_ONE)
def test_samples_come_back_as_they_went_in(sut: str, dtype: str, tmp_path: Path) -> None:
    pytest.importorskip(SUTS[sut])
    made = workload_of_file(model_file(tmp_path, sut, {"x": dtype}))
    assert (made.model.input.dtype, made.model.many) == (dtype, False)
    assert pair(load_sut(sut)[0], made).samples == 256
    with loaded(made, sut) as model:
        for indices in ([3], [5, 0, 5]):
            [given], [found] = answers(model, indices)
            assert given.shape == (len(indices), 2)
            assert found.tolist() == as_answered(given, dtype, sut).tolist()
            assert found.dtype.name == {BFLOAT16: "float32", STRING: "object"}.get(dtype, dtype)


@pytest.mark.slow
@pytest.mark.parametrize("sut", SUTS)
def test_all_types_at_once(sut: str, tmp_path: Path) -> None:
    pytest.importorskip(SUTS[sut])
    types = {f"x_{dtype}": dtype for dtype in DTYPES if sut != "cpu-onnxruntime" or dtype != STRING}
    made = workload_of_file(model_file(tmp_path, sut, types))
    assert [spec.dtype for spec in made.model.inputs] == list(types.values())
    with loaded(made, sut) as model:
        for indices in ([3], [5, 0, 5]):
            given, found = answers(model, indices)
            expected = [
                as_answered(array, dtype, sut) for array, dtype in zip(given, types.values(), strict=True)
            ]
            assert [each.tolist() for each in found] == [each.tolist() for each in expected]


def test_texts_beside_numbers_but_not_beside_bfloat16(tmp_path: Path) -> None:
    made = workload_of_file(model_file(tmp_path, "cpu-onnxruntime", {"a": STRING, "b": "int64"}))
    with loaded(made) as model:
        given, found = answers(model, [1, 2])
        assert [each.tolist() for each in found] == [each.tolist() for each in given]
    both = workload_of_file(model_file(tmp_path, "cpu-onnxruntime", {"a": STRING, "b": BFLOAT16}))
    with pytest.raises(InputError, match="onnxruntime takes no text beside bfloat16"), loaded(both):
        pass


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (TensorProto.COMPLEX64, "complex64"),
        (TensorProto.COMPLEX128, "complex128"),
        (TensorProto.INT4, "int4"),
        (TensorProto.UINT4, "uint4"),
        (TensorProto.FLOAT8E4M3FN, "float8_e4m3fn"),
    ],
)
def test_other_types_are_refused_before_any_run(
    kind: int, dtype: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = graphs.copies(tmp_path / "m.onnx", {"x": kind})
    line = fails(capsys, ["run", "--model", str(path), "--out", str(tmp_path / "out")], 2)
    assert line == f"qutiperf: {path}: input 'x' is {dtype}; only {', '.join(DTYPES)} can be fed"
    assert not (tmp_path / "out").exists()


def test_complex_numbers_of_tflite_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    from tests.tflite_graphs import copies

    path = copies(tmp_path / "m.tflite", [("x", "complex64", (-1, 2))])
    with pytest.raises(InputError, match="input 'x' is complex64; only float32"):
        workload_of_file(path)


@pytest.mark.parametrize("dtype", [BFLOAT16, STRING])
def test_an_adapter_that_does_not_take_a_type_is_refused_before_any_run(
    dtype: str, tmp_path: Path, sut_file: SutFile, capsys: pytest.CaptureFixture[str]
) -> None:
    path = model_file(tmp_path, "cpu-onnxruntime", {"x": dtype})
    words = ["run", "--model", str(path), "--sut", "examples/my_adapter", "--out", str(tmp_path / "out")]
    line = fails(capsys, words, 2)
    assert line == (
        "qutiperf: m: my_adapter (my_adapter.py:MyAdapter) takes the types of numpy, but input "
        f"'x' is {dtype}; measure it on another system"
    )


@pytest.mark.slow
def test_every_type_travels(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    types = {f"x_{dtype}": dtype for dtype in DTYPES}
    path = model_file(tmp_path, "cpu-litert", types)
    made = workload_of_file(path)
    inputs = tuple(InputTensor(name, dtype, (2,)) for name, dtype in types.items())
    first, outputs = inputs[0], tuple(f"{name}_copy" for name in types)
    model = Model(
        *(str(path), first.name, first.dtype, first.shape, outputs[0]),
        more_inputs=inputs[1:],
        more_outputs=outputs[1:],
        many=True,
    )
    (tmp_path / "device.json").write_text(to_json(Configuration("litert", model, batch_size=4)))
    device = Served("--config", str(tmp_path / "device.json"))
    adapter = OpenInference()
    try:
        adapter.load(model, Options(url=device.url))
        with loaded(made, "cpu-litert") as here:
            given, expected = answers(here, [7, 2, 2])
        found, _ = adapter.infer_many(tuple(given))
        assert [each.tolist() for each in found] == [each.tolist() for each in expected]
        assert [each.dtype for each in found] == [each.dtype for each in expected]
        # the same number of bytes, but not the same type of elements
        wrong = InputTensor(f"x_{BFLOAT16}", "uint16", (2,))
        changed = tuple(wrong if each.name == wrong.name else each for each in inputs)
        with pytest.raises(InputError, match="its input is BF16, not uint16"):
            OpenInference().load(replace(model, more_inputs=changed[1:]), Options(url=device.url))
    finally:
        adapter.close()
        device.process.terminate()
        device.process.communicate(timeout=20)  # LiteRT's own line is on its standard error


TEXTS = np.array([["a", "é"], ["", "x" * 300]], object)


@pytest.mark.parametrize("binary", [True, False])
def test_texts_in_a_message(binary: bool) -> None:
    length, parts = protocol.encode({}, "inputs", [("x", TEXTS)], binary)
    message = protocol.decode(b"".join(bytes(part) for part in parts), length, "inputs")
    assert (message.tensors["x"].tolist(), message.types) == (TEXTS.tolist(), {"x": STRING})
    assert all(isinstance(each, str) for each in message.tensors["x"].ravel().tolist())


@pytest.mark.parametrize(
    ("shape", "data", "problem"),
    [
        ([2], b"\1\0\0\0a", "5 bytes for [2] texts, 5 are there"),
        ([1], b"\2\0\0\0a", "its last text has 2 bytes, fewer are there"),
        ([1], b"\1\0\0\0\xff", "its texts are damaged, or not UTF-8"),
        ([1], b"\1\0\0\0ab", "its texts are damaged, or not UTF-8"),
        ([1], b"\1\0\0\0a\1\0\0\0b", "2 texts for the shape [1]"),
        ([1 << 40], b"\1\0\0\0a", "5 bytes for [1099511627776] texts"),
        ([0], b"\0\0\0\0", "1 texts for the shape [0]"),
    ],
)
def test_texts_that_are_damaged(shape: list[int], data: bytes, problem: str) -> None:
    size = f'"parameters": {{"binary_data_size": {len(data)}}}'
    text = f'{{"inputs": [{{"name": "x", "shape": {shape}, "datatype": "BYTES", {size}}}]}}'.encode()
    with pytest.raises(protocol.ProtocolError, match="tensor 'x': ") as caught:
        protocol.decode(text + data, len(text), "inputs")
    assert problem in str(caught.value)


def test_bits_of_bfloat16() -> None:
    reals = np.array([1, -2, 0.1, 1 + 2**-8, 1 + 3 * 2**-8, np.inf, np.nan, 3e38, 1e-40], np.float32)
    bits = bits_of_bfloat16(reals)
    assert [hex(int(each)) for each in bits.tolist()[:6]] == [
        *("0x3f80", "0xc000", "0x3dcd", "0x3f80", "0x3f82", "0x7f80")
    ]
    again = reals_of_bfloat16(bits)
    assert again.tolist()[:2] == [1, -2]
    assert np.isnan(again[6])
    assert abs(float(again[7]) / 3e38 - 1) < 2**-8
    ml_dtypes = pytest.importorskip("ml_dtypes")
    many = np.random.default_rng(1).normal(size=(50, 40)).astype(np.float32)
    assert bits_of_bfloat16(many).tolist() == many.astype(ml_dtypes.bfloat16).view(np.uint16).tolist()
    assert bits_of_bfloat16(np.asarray(np.float32(2))).shape == ()


def of_npz(folder: Path, dtype: str, array: object) -> Workload:
    np.savez(folder / "data.npz", x=array)  # type: ignore[arg-type]  # of any kind
    path = model_file(folder, "cpu-onnxruntime", {"x": dtype})
    return workload_of_file(path, Given(data=folder / "data.npz"))


@pytest.mark.parametrize(
    ("dtype", "array", "expected"),
    [
        (BFLOAT16, np.array([[1, 2]], np.float32), [[1.0, 2.0]]),
        (BFLOAT16, np.array([[0x3F80, 0x4000]], np.uint16), [[1.0, 2.0]]),
        (BFLOAT16, np.array([[0x3F80, 0x4000]], np.uint16).view("V2"), [[1.0, 2.0]]),
        (STRING, np.array([["a", "é"]]), [["a", "é"]]),
        (STRING, np.array([[b"a", "é".encode()]]), [["a", "é"]]),
    ],
)
def test_samples_of_a_file(dtype: str, array: Array, expected: object, tmp_path: Path) -> None:
    with loaded(of_npz(tmp_path, dtype, array)) as model:
        _, [found] = answers(model, [0])
        assert found.tolist() == expected


@pytest.mark.parametrize(
    ("dtype", "array", "problem"),
    [
        (
            BFLOAT16,
            np.array([[1, 2]]),
            "not bfloat16, as real numbers or as its bits in uint16",
        ),
        (STRING, np.array([[1, 2]]), "'x' is int64, not text"),
        (STRING, np.array([[b"\xff", b"a"]]), "'x' is |S1, not text"),
    ],
)
def test_samples_of_another_type(dtype: str, array: Array, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught, loaded(of_npz(tmp_path, dtype, array)):
        pass
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("dtype", "constant", "expected"),
    [(STRING, "x=a=b", "a=b"), (STRING, "x=", ""), (STRING, "x=16000", "16000"), (BFLOAT16, "x=1.5", 1.5)],
)
def test_constants(dtype: str, constant: str, expected: object, tmp_path: Path) -> None:
    path = model_file(tmp_path, "cpu-onnxruntime", {"x": dtype, "y": "float32"})
    with loaded(workload_of_file(path, Given(constants=[constant]))) as model:
        _, found = answers(model, [0, 1])
        assert found[0].tolist() == [[expected] * 2] * 2


def test_limits_of_random_texts_and_sources_that_are_none(tmp_path: Path) -> None:
    made = workload_of_file(model_file(tmp_path, "cpu-onnxruntime", {"x": STRING}))

    def with_source(source: object) -> Workload:
        data = made.model_dump(mode="json")
        data["model"]["input"]["source"] = source
        return Workload.model_validate(data)

    with loaded(with_source({"random": [3, 3]})) as model:
        _, [found] = answers(model, [0, 9])
        assert {len(each) for each in found.ravel().tolist()} == {3}
    with loaded(with_source("zeros")) as model:
        _, [found] = answers(model, [0])
        assert found.tolist() == [["", ""]]
    padded = with_source("random").model_dump(mode="json")
    padded["model"]["inputs"][0]["padding"] = {"axis": 1}
    with pytest.raises(ValueError, match="padding: string is not padded"):
        Workload.model_validate(padded)
    for source, problem in (
        ({"random": [-1, 3]}, "random from -1 to 3 is not within string"),
        ({"random": [0, 1e9]}, "random from 0 to 1e+09 is not within string"),
        ({"constant": 5}, "5 is not a string; give values of the input's type"),
    ):
        with pytest.raises(InputError) as caught, loaded(with_source(source)):
            pass
        assert problem in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [BFLOAT16, STRING])
def test_runs_and_agreement(dtype: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("openvino")
    path = model_file(tmp_path, "cpu-openvino", {"x": dtype})
    written = tmp_path / "w.yaml"
    assert main(["workload", "new", str(path), "--out", str(written)], debug=True) == 0
    words = ["run", "--model", str(path), "--sut", "cpu-onnxruntime", "--sut", "cpu-openvino"]
    words += ["--scenario", "Offline", "--set", "settings.min_duration_s=0.1", "--out", str(tmp_path / "out")]
    assert main(words, debug=True) == 0
    capsys.readouterr()
    words = ["agree", str(written), "--sut", "cpu-onnxruntime", "--sut", "cpu-openvino", "--count", "8"]
    assert main(words, debug=True) == 0
    assert "8" in capsys.readouterr().out
