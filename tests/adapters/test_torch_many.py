"""PyTorch with several tensors, where it is installed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qutiperf.adapters.base import InputTensor, Model
from qutiperf.element_type import bits_of_bfloat16
from qutiperf.errors import InputError

torch = pytest.importorskip("torch", reason="needs torch, of the extra torch")

from qutiperf.adapters.torch import Options, Torch
from tests import torch_programs

MODEL = Model(
    *("", "x", "float32", (2,), "out"),
    more_inputs=(InputTensor("state", "float32", (1, 2), 1),),
    more_outputs=("next",),
    many=True,
)
X = np.arange(6, dtype=np.float32).reshape(3, 2)
STATE = np.full((1, 3, 2), 10, np.float32)


@pytest.fixture(scope="module", params=["program.pt2", "script.pt"])
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """next = state / 2 + x, of [1, batch, 2]; out is the same as [batch, 2]."""
    target: Path = tmp_path_factory.mktemp("torch") / request.param
    torch_programs.decaying(target)
    return target


def loaded(model: Model, **options: object) -> Torch:
    adapter = Torch()
    adapter.load(model, Options(**options))  # type: ignore[arg-type]  # names
    return adapter


@pytest.mark.parametrize("rows", [3, 1])
def test_several_inputs_and_outputs(rows: int, path: Path) -> None:
    adapter = loaded(replace(MODEL, path=str(path)))
    adapter.tune(3)
    (out, following), compute_ns = adapter.infer_many((X[:rows], STATE[:, :rows]))
    assert out.tolist() == (X[:rows] + 5).tolist()
    assert (following.shape, following.tolist(), compute_ns) == ((1, rows, 2), [out.tolist()], None)


def test_inputs_are_the_arguments_of_their_names(path: Path) -> None:
    state, x = InputTensor("state", "float32", (1, 2), 1), InputTensor("x", "float32", (2,))
    model = Model(
        *(str(path), state.name, state.dtype, state.shape, "out"),
        batch_axis=1,
        more_inputs=(x,),
        many=True,
    )
    (out,), _ = loaded(model).infer_many((STATE, X))
    assert out.tolist() == (X + 5).tolist()


def test_what_does_not_fit(path: Path) -> None:
    wrong = InputTensor("status", "float32", (1, 2), 1)
    with pytest.raises(InputError, match=r"its inputs are \['x', 'state'\], not \['x', 'status'\]"):
        loaded(replace(MODEL, path=str(path), more_inputs=(wrong,)))
    with pytest.raises(InputError, match="torch cannot run it: it has 2 outputs, not 3"):
        loaded(replace(MODEL, path=str(path), more_outputs=("next", "last")))


def test_bfloat16_goes_in_as_bits(path: Path) -> None:
    states = InputTensor("state", "bfloat16", (1, 2), 1)
    model = replace(MODEL, path=str(path), input_dtype="bfloat16", more_inputs=(states,))
    adapter = loaded(model, dtype="bfloat16")
    (out, _), _ = adapter.infer_many((bits_of_bfloat16(X), bits_of_bfloat16(STATE)))
    assert (out.dtype.name, out.tolist()) == ("float32", (X + 5).tolist())


def test_outputs_of_a_dictionary_are_taken_by_name(tmp_path: Path) -> None:
    path = tmp_path / "named.pt2"
    torch_programs.named(path)
    model = Model(str(path), "a", "float32", (2,), "product", more_outputs=("sum",), many=True)
    model = replace(model, more_inputs=(InputTensor("b", "int64", (2,)),))
    (product, total), _ = loaded(model).infer_many((X, np.full((3, 2), 3)))
    assert (product.tolist(), total.tolist()) == ((3 * X).tolist(), (X + 3).tolist())
    with pytest.raises(InputError, match=r"it has no output 'mean', but \['product', 'sum'\]"):
        loaded(replace(model, more_outputs=("mean",)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")  # of torch's own compiler
def test_a_compiled_program_takes_smaller_batches(tmp_path: Path) -> None:
    path = tmp_path / "program.pt2"
    torch_programs.decaying(path)
    adapter = loaded(replace(MODEL, path=str(path)), compile=True)
    adapter.tune(3)
    for rows in (3, 2):
        (out, following), _ = adapter.infer_many((X[:rows], STATE[:, :rows]))
        assert (out.tolist(), following.shape) == ((X[:rows] + 5).tolist(), (1, rows, 2))
