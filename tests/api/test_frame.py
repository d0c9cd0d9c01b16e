"""Results as a DataFrame."""

import io
from contextlib import redirect_stdout
from pathlib import Path

import pandas
import pytest

import qutiperf
from qutiperf.api.frame import frame_of_records, frame_of_rows
from qutiperf.cli import main
from qutiperf.results.store import Store
from qutiperf.results.table import COLUMNS, Row, rows
from tests.places import DATA

OLD = DATA / "results_862dfec"
DTYPES = {
    "run_id": "string",
    "attempt": "Int64",
    "batch_size": "Int64",
    "threads": "Int64",
    "valid": "boolean",
    "reasons": "string",
    "system_latency_p99_9_ms": "Float64",
    "full_power_w": "Float64",
    "utilisation_percent": "Float64",
    "end_to_end": "boolean",
    "started_utc": "datetime64[us, UTC]",
}


def test_the_columns_of_a_row_are_declared() -> None:
    records = Store.open(OLD).read().records
    assert records
    assert [name for name in rows(records)[0] if name in COLUMNS] == list(COLUMNS)


def test_a_frame_has_the_cells_of_the_csv() -> None:
    frame = qutiperf.load(OLD)
    with redirect_stdout(io.StringIO()) as out:
        assert main(["show", str(OLD), "--csv"], debug=True) == 0
    written = pandas.read_csv(io.StringIO(out.getvalue()))
    assert len(frame) == len(written) > 1
    assert list(frame.columns) == list(written.columns)
    for name in ("run_id", "workload", "batch_size", "valid", "system_throughput_ips", "top1_percent"):
        left, right = frame[name].tolist(), written[name].tolist()
        known = [(a, b) for a, b in zip(left, right, strict=True) if not pandas.isna(a)]
        assert [a for a, _ in known] == [b for _, b in known]
        assert sum(map(pandas.isna, left)) == sum(map(pandas.isna, right))


@pytest.mark.parametrize("empty", [False, True])
def test_types_do_not_depend_on_values(empty: bool) -> None:
    frame = frame_of_records([]) if empty else qutiperf.load(OLD)
    assert {name: str(frame[name].dtype) for name in DTYPES} == DTYPES
    assert frame["full_power_w"].isna().all()


def test_unknown_is_missing_and_not_a_number_neither() -> None:
    frame = frame_of_rows([{"top1_percent": None, "x": 1}, {"top1_percent": 2.5, "x": None}], COLUMNS)
    assert frame["top1_percent"].isna().tolist() == [True, False]
    assert str(frame["x"].dtype) == "Int64"


def test_own_values_of_an_adapter_keep_their_types() -> None:
    found: list[Row] = [
        {"threads": "auto", "a": 1, "b": 1, "c": True, "d": None},
        {"threads": 2, "a": 2, "b": 0.5},
    ]
    frame = frame_of_rows(found, COLUMNS)
    kinds = {"threads": "string", "a": "Int64", "b": "Float64", "c": "boolean", "d": "string"}
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == kinds
    assert frame["threads"].tolist() == ["auto", "2"]


def test_superseded_runs_only_with_everything() -> None:
    assert "superseded" not in qutiperf.load(OLD)
    frame = qutiperf.load(OLD, everything=True)
    assert str(frame["superseded"].dtype) == "boolean"


def test_no_results_folder(tmp_path: Path) -> None:
    with pytest.raises(qutiperf.InputError, match="is not a results folder"):
        qutiperf.load(tmp_path)


def test_damaged_parts_are_warned_of(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "results")
    (store.folder / "0123456789ab-1").mkdir()
    with pytest.warns(UserWarning, match="0123456789ab-1"):
        frame = qutiperf.load(store.folder)
    assert len(frame) == 0
