"""The LiteRT adapter: XNNPACK on and off, batches, delegates, and what it says of files it cannot run."""

import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qutiperf.adapters.base import Array, Model, Quantization
from qutiperf.adapters.litert import LiteRt, Options
from qutiperf.adapters.litert_delegate import check_library, machine_of
from qutiperf.adapters.registry import make_options, require_runtime
from qutiperf.errors import InputError, SetupError
from qutiperf.spec import catalog

pytest.importorskip("ai_edge_litert")
from tests import tflite_edit
from tests.places import TESTS

MODELS = catalog.root() / "scenarios/workloads/models"
FP32 = Model(
    path=str(MODELS / "digits-cnv-12.5-fp32.tflite"),
    input_name="serving_default_args_0",
    input_dtype="float32",
    input_shape=(1, 8, 8),
    output_name="serving_default_output_0_output",
)
IMAGES = np.random.default_rng(1).random((9, 1, 8, 8), dtype=np.float32)
Edit = Callable[[Any], None]


def loaded(model: Model = FP32, **options: Any) -> LiteRt:  # noqa: ANN401  # as Options takes them
    adapter = LiteRt()
    adapter.load(model, Options(**options))
    return adapter


def assert_close(found: Array, expected: Array) -> None:
    np.testing.assert_allclose(found.astype(np.float64), expected.astype(np.float64), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("xnnpack", "described"), [(True, "14 of 14 operators"), (False, "off")], ids=["on", "off"]
)
def test_xnnpack_is_on_and_really_off(xnnpack: bool, described: str) -> None:
    adapter = loaded(xnnpack=xnnpack)
    known = adapter.describe()
    assert known["xnnpack"] == described
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", known["ai_edge_litert"])
    listed = [each["op_name"] for each in adapter._interpreter._get_ops_details()]
    assert ("DELEGATE" in listed) is xnnpack
    assert_close(adapter.infer(IMAGES)[0], loaded().infer(IMAGES)[0])


def test_batches_of_every_size_are_answered_rightly() -> None:
    adapter, expected = (
        loaded(),
        np.concatenate([loaded().infer(IMAGES[row : row + 1])[0] for row in range(9)]),
    )
    adapter.tune(8)
    for count in (8, 3, 9, 1):
        scores, compute_ns = adapter.infer(IMAGES[:count])
        assert_close(scores, expected[:count])
        assert compute_ns is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": __file__}, "ai_edge_litert cannot load it: "),
        ({"path": ""}, "no model file"),
        ({"input_name": "x"}, "its inputs are ['serving_default_args_0'], not ['x']"),
        ({"output_name": "x"}, "it has no output 'x', but ['serving_default_output_0_output']"),
        ({"input_dtype": "uint8"}, "its input is float32, not uint8"),
        ({"input_shape": (8, 8, 1)}, "its input is [batch, 1, 8, 8], not [batch, 8, 8, 1]"),
        ({"input_quantization": Quantization(0.5, 3)}, "leave out model.input.quantization"),
        ({"output_quantization": Quantization(0.5, 3)}, "leave out model.output.quantization"),
    ],
)
def test_it_refuses_another_model(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        loaded(replace(FP32, **change))


def test_it_tells_the_quantization_to_write() -> None:
    path = str(MODELS / "digits-cnv-50-int8.tflite")
    model = replace(FP32, path=path, input_dtype="int8")
    source, result = Quantization(0.003921569, -128), Quantization(0.03120183, -74)
    given = "{scale: 0.003921569, zero_point: -128}"
    message = f"of its input is {given}, the workload says none; write model.input: {{quantization: {given}}}"
    with pytest.raises(InputError, match=re.escape(message)):
        loaded(model)
    with pytest.raises(
        InputError, match=re.escape("write model.output: {quantization: {scale: 0.03120183, ")
    ):
        loaded(replace(model, input_quantization=source))
    with pytest.raises(InputError, match=re.escape("the workload says {scale: 0.5, zero_point: -128}")):
        loaded(replace(model, input_quantization=Quantization(0.5, -128)))
    adapter = loaded(replace(model, input_quantization=source, output_quantization=result))
    assert adapter.infer(np.full((2, 1, 8, 8), -128, np.int8))[0].dtype == np.int8


@pytest.mark.parametrize(
    ("edit", "error", "message"),
    [
        (tflite_edit.edge_tpu_operator, SetupError, "for the Edge TPU; set delegate: libedgetpu.so.1"),
        (tflite_edit.unknown_operator, InputError, "the file is newer than the runtime"),
        (tflite_edit.newer_version, InputError, "the file is newer than the runtime"),
        (tflite_edit.newer_schema, InputError, "the file is newer than the runtime"),
        (tflite_edit.second_input, InputError, "its inputs are ["),
        (tflite_edit.second_signature, InputError, "several signatures: serving_default, training; convert"),
        (tflite_edit.fixed_batch, InputError, "its input is [1, 1, 8, 8], not [batch, 1, 8, 8]"),
    ],
)
def test_files_that_it_cannot_run(tmp_path: Path, edit: Edit, error: type[Exception], message: str) -> None:
    path = tflite_edit.edited(Path(FP32.path), tmp_path / "edited.tflite", edit)
    with pytest.raises(error, match=re.escape(message)) as caught:
        loaded(replace(FP32, path=path))
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("xnnpack", [True, False])
def test_a_hard_coded_batch_behind_a_free_one(tmp_path: Path, xnnpack: bool) -> None:
    edit = tflite_edit.reshape_of_one_sample
    path = tflite_edit.edited(Path(FP32.path), tmp_path / "edited.tflite", edit)
    adapter = loaded(replace(FP32, path=path), xnnpack=xnnpack)
    with pytest.raises(InputError, match=r"a batch of 4 cannot be run: .*; convert it again"):
        adapter.tune(4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "sut: options: threads must be at least 1, not {'threads': 0}"),
        ({"delegate_options": "a=1"}, "delegate_options are given, but no delegate"),
        ({"delegate": "a.so", "delegate_options": "a"}, "delegate_options 'a' is not key=value;key=value"),
        ({"xnnpack": 1}, "sut: options.xnnpack: Input should be a valid boolean, not 1"),
        ({"runtime": "tensorflow"}, "sut: options.runtime: Input should be 'ai_edge_litert' or 'tflite_ru"),
    ],
)
def test_wrong_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        make_options(LiteRt, options, "sut")  # type: ignore[arg-type]  # its options are its own


def test_the_runtime_that_is_asked_for_is_required() -> None:
    require_runtime(LiteRt, "litert", Options())  # type: ignore[arg-type]  # its options are its own
    asked = Options(runtime="tflite_runtime")
    message = re.escape("tflite_runtime is not installed; pip install tflite-runtime")
    with pytest.raises(SetupError, match=message):
        require_runtime(LiteRt, "litert", asked)  # type: ignore[arg-type]  # its options are its own
    with pytest.raises(
        SetupError, match=r"tflite_runtime cannot be imported: .*; pip install tflite-runtime"
    ):
        LiteRt().load(FP32, asked)


@pytest.fixture(scope="module")
def delegate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A real delegate's library, which takes one operator, takes nothing, or fails."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or struct.calcsize("P") != 8:
        pytest.skip("needs a C compiler for 64 bits")
    path = tmp_path_factory.mktemp("delegate") / "libdelegates.so"
    source = TESTS / "delegates.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(path), str(source)], check=True)
    return str(path)


@pytest.mark.parametrize(("xnnpack", "described"), [(True, "4 of 5 operators"), (False, "off")])
def test_a_delegate_that_takes_a_part(delegate: str, xnnpack: bool, described: str) -> None:
    """Batches smaller than the tuned size are filled up for it, larger ones resize."""
    dense = replace(FP32, path=str(MODELS / "digits-mlp-12.5-fp32.tflite"))
    adapter, expected = (
        loaded(dense, delegate=delegate, delegate_options="does=first", xnnpack=xnnpack),
        loaded(dense),
    )
    known = adapter.describe()
    assert (known["delegate"], known["delegated"]) == (delegate, "1 of 5 operators")
    assert known["xnnpack"] == described
    adapter.tune(8)
    for count, size in ((8, 8), (3, 8), (1, 8), (9, 9)):
        scores, _ = adapter.infer(IMAGES[:count])
        assert scores.shape == (count, 10)
        assert_close(scores, expected.infer(IMAGES[:count])[0])
        assert adapter._size == size


@pytest.mark.parametrize(
    ("does", "error", "message"),
    [
        ("report", SetupError, "the delegate cannot be created: no device is connected"),
        (
            "silence",
            SetupError,
            "the delegate cannot be created: it gives no reason; check that its device is connected",
        ),
        ("nothing", SetupError, "libdelegates.so took no operator of it"),
        ("refuse", InputError, "ai_edge_litert cannot load it with delegate"),
    ],
)
def test_delegates_that_do_not_work(delegate: str, does: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        loaded(delegate=delegate, delegate_options=f"does={does};unused=1")


def elf(machine: int, order: str = "<") -> bytes:
    """The start of an ELF header."""
    return (
        b"\x7fELF" + bytes([2, 1 if order == "<" else 2]) + bytes(10) + struct.pack(f"{order}HH", 3, machine)
    )


@pytest.mark.parametrize(
    ("machine", "order", "name"),
    [(183, "<", "aarch64"), (62, "<", "x86_64"), (40, "<", "arm"), (21, ">", "machine 21")],
)
def test_the_machine_of_a_library(tmp_path: Path, machine: int, order: str, name: str) -> None:
    (tmp_path / "lib.so").write_bytes(elf(machine, order))
    assert machine_of(tmp_path / "lib.so") == name


@pytest.mark.skipif(sys.platform != "linux", reason="reads the ELF header of this Python")
def test_libraries_that_are_no_delegate_here(tmp_path: Path) -> None:
    here, other = machine_of(Path(sys.executable)), tmp_path / "libedgetpu.so.1"
    other.write_bytes(elf(183 if here != "aarch64" else 62))
    elsewhere = "aarch64" if here != "aarch64" else "x86_64"
    with pytest.raises(SetupError, match=f"library is for {elsewhere}, this Python is {here}"):
        check_library(str(other))
    with pytest.raises(SetupError, match="there is no such delegate library; set delegate to its path"):
        check_library(str(tmp_path / "missing.so"))
    with pytest.raises(SetupError, match=r"cannot be loaded: .*libnobody_has\.so"):
        check_library("libnobody_has.so")
    with pytest.raises(SetupError, match="not a TFLite delegate: it has no tflite_plugin_create_delegate"):
        check_library("libc.so.6")
    assert machine_of(Path(os.devnull)) is None
