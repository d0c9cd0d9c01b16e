"""The reader against recorded LoadGen logs of every scenario, and against damage to them."""

import contextlib
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from qutiperf.errors import InputError
from qutiperf.mlperf_logs import LoadGenResult, log_folders, read_result
from tests.places import LOGS, PACKAGE

DETAIL = "mlperf_log_detail.txt"
V6_1 = (2085463073848966840, 2747215439041700203, 16159082839903944936)
V5_1 = (1780908523862526354, 14771362308971278857, 18209322760996052031)


def read(kind: str) -> LoadGenResult:
    return read_result(LOGS / kind)


def copy_of(kind: str, folder: Path, change: Callable[[bytes], bytes]) -> Path:
    """A recorded run whose detail log is changed."""
    shutil.copytree(LOGS / kind, folder, dirs_exist_ok=True)
    detail = folder / DETAIL
    detail.write_bytes(change(detail.read_bytes()))
    return folder


@pytest.mark.parametrize(
    ("kind", "scenario", "validity", "failed"),
    [
        ("single_stream_valid", "SingleStream", "VALID", []),
        ("multi_stream_valid", "MultiStream", "VALID", []),
        ("offline_valid", "Offline", "VALID", []),
        ("server_valid", "Server", "VALID", []),
        ("single_stream_ran_out", "SingleStream", "INVALID", ["min_duration"]),
        ("multi_stream_early_stopping", "MultiStream", "INVALID", ["early_stopping"]),
        ("offline_target_qps_low", "Offline", "INVALID", ["min_duration"]),
        ("server_overloaded", "Server", "INVALID", ["perf_constraints", "early_stopping"]),
        ("max_duration", "SingleStream", "INVALID", ["min_queries", "early_stopping"]),
        ("accuracy_complete", "Offline", None, []),
    ],
)
def test_scenario_and_verdict(kind: str, scenario: str, validity: str | None, failed: list[str]) -> None:
    result = read(kind)
    assert (result.scenario, result.validity, result.failed_rules) == (scenario, validity, failed)
    assert result.complete
    assert result.unreadable_line_count == 0


def test_single_stream_figures() -> None:
    result = read("single_stream_ran_out")
    assert result.loadgen_version == "6.0.17 @ d6147c7eb7"
    assert result.test_datetime == "2026-11-23T18:55:17Z"
    assert (result.query_count, result.samples_per_query, result.generated_query_count) == (201, 1, 201)
    assert result.latency_ns == {
        "mean": 1111770,
        "min": 1080061,
        "max": 1256398,
        "p50": 1107972,
        "p90": 1129864,
        "p95": 1135953,
        "p97": 1143435,
        "p99": 1233033,
        "p99_9": 1256398,
    }
    assert result.qps_with_loadgen_overhead == 895.872
    assert result.qps_without_loadgen_overhead == 899.467
    assert result.queries_per_second == 895.872
    assert result.duration_s == pytest.approx(200 / 895.872)
    assert result.early_stopping_estimate_ns == 1136415
    assert result.early_stopping_multi_stream_estimate_ns is None
    assert result.requested["single_stream_expected_latency_ns"] == 20_000_000
    assert result.effective["min_duration_ms"] == 2000
    assert result.target_qps == 50
    assert result.target_latency_ns is None
    assert result.target_latency_percentile == 0.9


def test_multi_stream_latency_is_a_querys() -> None:
    result = read("multi_stream_valid")
    assert (result.samples_per_query, result.query_count) == (4, 787)
    assert result.latency_ns["p99"] == 762216
    assert result.sample_latency_ns.keys() == result.latency_ns.keys()
    assert result.early_stopping_estimate_ns == 4078990
    assert result.duration_s == 0.501
    assert result.queries_per_second == pytest.approx(787 / 0.501)


def test_offline_and_server_figures() -> None:
    offline, server = read("offline_valid"), read("server_overloaded")
    assert (offline.samples_per_second, offline.duration_s) == (1995.12, 0.551346251)
    assert server.scheduled_samples_per_second == 1486.54
    assert server.completed_samples_per_second == server.queries_per_second == 518.017
    assert (server.overlatency_query_count, server.target_latency_ns) == (1477, 15_000_000)


def test_reasons_are_loadgens_words() -> None:
    assert read("single_stream_ran_out").invalid_reasons == [
        "Decrease the expected latency so the loadgen pre-generates more queries."
    ]
    assert read("max_duration").invalid_reasons == [
        "The test exited early, before enough queries were issued. "
        "See the detailed log for why this may have occurred.",
        "Only processed 31 queries. Need to process at least 64 queries for early stopping.",
    ]


def test_without_the_summary_the_detail_log_gives_the_reasons(tmp_path: Path) -> None:
    folder = copy_of("single_stream_early_stopping", tmp_path, lambda text: text)
    (folder / "mlperf_log_summary.txt").unlink()
    assert read_result(folder).invalid_reasons == [
        "Only processed 18 queries. Need to process at least 64 queries for early stopping."
    ]


def test_seeds_of_two_loadgens() -> None:
    new, old = read("submission_seeds"), read("submission_seeds_v5_1")
    assert new.seeds is not None
    assert old.seeds is not None
    assert tuple(new.seeds.model_dump().values()) == V6_1
    assert tuple(old.seeds.model_dump().values()) == V5_1
    assert old.loadgen_version == "5.1.2 @ 06c742a84a"
    assert old.accuracy_sample_count is None  # LoadGen 5.1 does not write it
    assert old.dataset_sample_count == 256


def test_errors_are_counted_once_per_text() -> None:
    result = read("answered_twice")
    assert result.error_count == 3
    assert [(error.key, error.text, error.count) for error in result.errors] == [
        ("error_runtime", "Attempted to complete a sample twice.", 3)
    ]


def test_accuracy_runs_count_their_answers() -> None:
    assert read("accuracy_complete").accuracy_entry_count == 256
    incomplete = read("accuracy_incomplete")
    assert (incomplete.accuracy_entry_count, incomplete.accuracy_sample_count) == (100, 100)


def test_an_accuracy_log_cut_for_publication_has_no_count(tmp_path: Path) -> None:
    folder = copy_of("accuracy_complete", tmp_path, lambda text: text)
    log = folder / "mlperf_log_accuracy.json"
    log.write_bytes(log.read_bytes()[:4096] + b"\n\n...\n\n" + log.read_bytes()[-4096:])
    assert read_result(folder).accuracy_entry_count is None


def test_a_cut_log_says_so(tmp_path: Path) -> None:
    folder = copy_of("single_stream_valid", tmp_path, lambda text: text[: text.index(b'"power_end"')])
    (folder / "mlperf_log_summary.txt").unlink()
    result = read_result(folder)
    assert not result.complete
    assert result.unreadable_line_count == 1
    assert result.validity is None
    assert result.query_count is None


def test_a_rate_that_is_no_number_is_unknown(tmp_path: Path) -> None:
    """LoadGen writes -nan for the scheduled rate of a single Server query."""
    folder = copy_of(
        "server_valid", tmp_path, lambda text: text.replace(b'"value": 197.', b'"value": -nan, "was": 197.')
    )
    result = read_result(folder)
    assert result.scheduled_samples_per_second is None
    assert result.unreadable_line_count == 0


def test_lines_without_the_marker_and_very_long_ones_are_passed_over(tmp_path: Path) -> None:
    long_line = b':::MLLOG {"key": "loaded_qsl_set", "value": [' + b"1, " * 1_000_000 + b"1]}\n"
    folder = copy_of("single_stream_valid", tmp_path, lambda text: b"driver says hello\n" + long_line + text)
    assert read_result(folder) == read("single_stream_valid")


def test_result_survives_json() -> None:
    result = read("server_latency_bound")
    assert LoadGenResult.model_validate_json(result.model_dump_json()) == result


def test_missing_and_foreign_files_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"{DETAIL}: cannot be read: No such file.*name the folder"):
        read_result(tmp_path)
    (tmp_path / DETAIL).write_text("pid 12: a log of another age\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"has no readable ':::MLLOG' line; it must be the untouched"):
        read_result(tmp_path)


def test_log_folders_of_a_tree() -> None:
    assert [folder.name for folder in log_folders(LOGS)] == sorted(path.name for path in LOGS.iterdir())
    assert log_folders(LOGS / "offline_valid" / DETAIL) == [LOGS / "offline_valid"]
    with pytest.raises(InputError, match="no such folder; name a folder of LoadGen's logs"):
        log_folders(LOGS / "absent")
    with pytest.raises(InputError, match=f"has no {DETAIL}"):
        log_folders(PACKAGE)


def test_damage_is_an_input_error_or_a_result(tmp_path: Path) -> None:
    """Values replaced, bytes flipped, lines cut: no other exception, with a fixed seed."""
    chance = random.Random(1)
    values = (b"0", b"-1", b"null", b"1e999", b"NaN", b"[]", b'"x"', b"9" * 30)

    def damaged(text: bytes) -> bytes:
        text = re.sub(
            rb'("value": )[^,]*',
            lambda match: match[1] + chance.choice(values) if chance.random() < 0.2 else match[0],
            text,
        )
        return text[: chance.randrange(len(text))]

    for kind in sorted(path.name for path in LOGS.iterdir()):
        folder = copy_of(kind, tmp_path, damaged)
        with contextlib.suppress(InputError):
            assert read_result(folder).unreadable_line_count <= 100
