"""Power logs: an honest session has no finding, each dishonest edit of it has the one that names it."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from qutiperf.submission.check import CheckReport, check_tree
from qutiperf.submission.published_rows import tree_results
from tests.submission.good_tree import ROUND, copy, write
from tests.submission.power_tree import (
    FOLDERS,
    SESSION,
    build_power,
    edit_json,
    moment,
    ptdaemon_log,
    rehash,
    session,
    stamp,
    window,
)

Edit = Callable[[Path], None]
BOTH = ("client", "server")


def check(root: Path) -> CheckReport:
    return check_tree(root, ROUND, workers=1)


def errors(root: Path) -> set[tuple[str, str]]:
    """Rules and file names."""
    return {
        (each.rule, each.path.rpartition("/")[2]) for each in check(root).findings if each.severity == "error"
    }


@pytest.mark.parametrize("scenario", ["SingleStream", "MultiStream", "Offline"])
def test_an_honest_session_has_no_finding(scenario: str, tmp_path: Path) -> None:
    build_power(tmp_path, scenario)
    report = check(tmp_path)
    assert [str(each) for each in report.findings] == []
    assert report.rows[0]["mean_power_w"] == pytest.approx(20.1)


def test_energy_is_that_of_a_query(tmp_path: Path) -> None:
    performance = build_power(tmp_path, "SingleStream")
    (row,) = check(tmp_path).rows
    begin, end = window(performance / "run_1")
    text = (performance / "run_1/mlperf_log_detail.txt").read_text()
    queries = int(re.findall(r'"result_query_count", "value": (\d+)', text)[0])
    assert row["energy_per_query_mj"] == pytest.approx(20.1 * (end - begin).total_seconds() * 1000 / queries)
    (result,) = tree_results(tmp_path, ROUND)
    assert (result.has_power, result.full_power_w) == (True, None)
    assert result.energy_per_query_mj == row["energy_per_query_mj"]


def test_a_multistream_query_inferred_from_singlestream_is_eight(tmp_path: Path) -> None:
    performance = build_power(tmp_path, "SingleStream")
    single = check(tmp_path).rows[0]["energy_per_query_mj"]
    assert isinstance(single, float)
    for path in sorted(tmp_path.rglob("SingleStream")):
        path.rename(path.with_name("MultiStream"))
    assert not performance.exists()
    (row,) = check(tmp_path).rows
    assert (row["scenario"], row["ran"]) == ("MultiStream", "SingleStream")
    assert row["energy_per_query_mj"] == pytest.approx(8 * single)


def test_power_of_offline_is_published_in_watts(tmp_path: Path) -> None:
    build_power(tmp_path, "Offline")
    (result,) = tree_results(tmp_path, ROUND)
    assert result.full_power_w == pytest.approx(20.1)
    assert result.energy_per_query_mj is None


def in_samples(change: Callable[[list[str]], list[str]], mode: str = "run_1", *, hashed: bool = True) -> Edit:
    def edit(performance: Path) -> None:
        path = performance / mode / "spl.txt"
        path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
        if hashed:
            rehash(performance)

    return edit


def scaled(lines: list[str]) -> list[str]:
    """Every figure of each sample agrees with the others; only the mean is another."""
    return [
        re.sub(r"(Watts|Amps),([\d.]+)", lambda match: f"{match[1]},{float(match[2]) * 0.97:.6f}", line)
        for line in lines
    ]


def in_json(key: str, value: object, ends: tuple[str, ...] = ("server",)) -> Edit:
    return lambda performance: edit_json(performance, ends, lambda data: data.__setitem__(key, value))


def in_replies(command: str, reply: str) -> Edit:
    def change(data: dict[str, object]) -> None:
        messages = data["ptd_messages"]
        assert isinstance(messages, list)
        [each for each in messages if each["cmd"].startswith(command)][-1]["reply"] = reply

    return lambda performance: edit_json(performance, ("server",), change)


def renamed(old: str, new: str) -> Edit:
    """One of the commands to the meter."""

    def change(data: dict[str, object]) -> None:
        messages = data["ptd_messages"]
        assert isinstance(messages, list)
        assert any(each["cmd"] == old for each in messages)
        for each in messages:
            each["cmd"] = new if each["cmd"] == old else each["cmd"]

    return lambda performance: edit_json(performance, ("server",), change)


def in_log(pattern: str, text: str) -> Edit:
    def edit(performance: Path) -> None:
        path = performance / "power/ptd_logs.txt"
        changed, count = re.subn(pattern, text, path.read_text(), flags=re.M)
        assert count
        path.write_text(changed)
        rehash(performance)

    return edit


def hotter_ranging(performance: Path) -> None:
    """A whole session, in which the run before the measured one needed more power."""
    path = performance / "ranging/spl.txt"
    text = path.read_text()
    path.write_text(
        re.sub(r"(Watts|Amps),([\d.]+)", lambda match: f"{match[1]},{float(match[2]) * 1.1:.6f}", text)
    )
    write_session(performance)


def another_run(performance: Path) -> None:
    """LoadGen's log of a run ten minutes later."""
    path = performance / "run_1/mlperf_log_detail.txt"
    path.write_text(
        re.sub(
            r'("key": "power_(?:begin|end)", "value": ")([^"]*)',
            lambda match: match[1] + stamp(moment(match[2]) + timedelta(minutes=10)),
            path.read_text(),
        )
    )
    rehash(performance)


def other_log_lines(performance: Path) -> None:
    copy(performance / "run_1", performance / "ranging")
    rehash(performance)


EDITS: dict[str, tuple[Edit, set[tuple[str, str]]]] = {
    "scaled samples": (in_samples(scaled), {("power-samples", "spl.txt")}),
    "samples without new hashes": (
        in_samples(lambda lines: lines[:-1], hashed=False),
        {("power-samples", "spl.txt"), ("power-hash", "server.json")},
    ),
    "watts without amps": (
        in_samples(lambda lines: [line.replace("Watts,20.300000", "Watts,15.100000") for line in lines]),
        {("power-samples", "spl.txt")},
    ),
    "a gap in the run": (
        in_samples(lambda lines: lines[:10] + lines[13:]),
        {("power-window", "spl.txt"), ("power-samples", "spl.txt")},
    ),
    "samples of another session": (
        in_samples(lambda lines: [line.replace("13-00-00", "12-00-00") for line in lines]),
        {("power-samples", "spl.txt")},
    ),
    "samples out of order": (
        in_samples(lambda lines: [lines[1], lines[0], *lines[2:]]),
        {("power-samples", "spl.txt")},
    ),
    "a line that is not a sample": (
        in_samples(lambda lines: [*lines, "Time,now,Watts,1"]),
        {("power-samples", "spl.txt")},
    ),
    "no sample inside the run": (
        in_samples(lambda lines: lines[:5]),
        {("power-window", "spl.txt"), ("power-samples", "spl.txt")},
    ),
    "more power while ranging": (hotter_ranging, {("power-ranging", "spl.txt")}),
    "the measured run as the ranging run": (
        other_log_lines,
        {("copied-log", "mlperf_log_detail.txt"), ("power-clock", "mlperf_log_detail.txt"),
         ("power-samples", "spl.txt")},
    ),
    "the log of another run": (
        another_run,
        {("power-clock", "mlperf_log_detail.txt"), ("power-window", "spl.txt")},
    ),
    "another meter": (
        in_replies("Identify", "HomeMeter,1000,version=1.11.1-x"), {("power-meter", "server.json")}
    ),
    "another PTDaemon": (
        in_replies("Identify", "YokogawaWT310,1000,version=1.9.2-x"), {("power-meter", "server.json")}
    ),
    "another device": (
        in_json("ptd_config", [{"command": [], "device_type": 1, "channel": None}]),
        {("power-meter", "server.json")},
    ),
    "one channel of two": (
        in_json("ptd_config", [{"command": ["-c", "1"], "device_type": 77, "channel": [1]}]),
        {("power-meter", "server.json")},
    ),
    "no meter": (in_json("ptd_config", []), {("power-meter", "server.json")}),
    "a refused range": (in_replies("SR,A", "Error"), {("power-reply", "server.json")}),
    "an automatic range in the run": (renamed("SR,A,0.2", "SR,A,Auto"), {("power-range", "server.json")}),
    "a range that was not set back": (renamed("SR,A,0.5", "SR,A,1.0"), {("power-range", "server.json")}),
    "a mean that PTDaemon did not give": (
        in_replies("Watts", "Watts,19.1,19.0,20.0,24,0,24"), {("power-samples", "spl.txt")}
    ),
    "a mean uncertainty above the limit": (
        in_replies("Uncertainty", "Uncertainty,0.0151,0.01,0.02,5,0,5,0"),
        {("power-uncertainty", "server.json")},
    ),
    "an unknown uncertainty": (
        in_replies("Uncertainty", "Uncertainty,-1.0,0,0,5,0,5,0"), {("power-uncertainty", "server.json")}
    ),
    "uncertainty not checked": (in_log("^.*is activated\n", ""), {("power-log", "ptd_logs.txt")}),
    "a log of another session": (in_log("13-00-00_r", "12-00-00_r"), {("power-log", "ptd_logs.txt")}),
    "an error while measuring": (
        in_log("^(.{23}): Go with mark '(.*)_testing'$", r"\g<0>\n\1: ERROR: Current appears to be too high"),
        {("power-log", "ptd_logs.txt")},
    ),
    "changed power-dev": (
        in_json("sources", {"client.py": "3" * 40}, BOTH),
        {("power-sources", "client.json"), ("power-sources", "server.json")},
    ),
    "debug mode": (in_json("debug", True), {("power-debug", "server.json")}),
    "another client": (
        in_json("uuid", {"client": "c" * 32, "server": "d" * 32}), {("power-session", "client.json")}
    ),
    "a uuid that is none": (
        in_json("uuid", {"client": "?", "server": "?"}, BOTH), {("power-session", "client.json")}
    ),
    "another session's name": (in_json("session_name", "x", ("client",)), {("power-session", "client.json")}),
    "other messages": (in_json("messages", [], ("client",)), {("power-session", "client.json")}),
    "clocks apart": (
        lambda performance: edit_json(performance, ("server",), shifted), {("power-clock", "client.json")}
    ),
    "no phases": (
        in_json("phases", {}, BOTH),
        {("power-clock", "client.json"), ("power-clock", "mlperf_log_detail.txt")},
    ),
    "a json bomb": (
        lambda performance: write_bytes(performance, b'{"a":' * 100_000), {("json", "server.json")}
    ),
    "a list for a session": (
        lambda performance: write_bytes(performance, b"[]"), {("json", "server.json")}
    ),
    "a session of other types": (
        in_json("phases", {"ranging": 3}), {("power-session", "server.json")}
    ),
    "an empty log": (
        lambda performance: write(performance / "power/server.log", ""),
        {("file-empty", "server.log"), ("power-hash", "server.json")},
    ),
    "a missing log": (
        lambda performance: (performance / "power/client.log").unlink(), {("file-missing", "client.log")}
    ),
    "a file too many": (
        lambda performance: write(performance / "power/notes.txt", "x"),
        {("power-file", "power")},
    ),
}  # fmt: skip


def write_bytes(performance: Path, content: bytes) -> None:
    (performance / "power/server.json").write_bytes(content)


def shifted(data: dict[str, object]) -> None:
    phases = data["phases"]
    assert isinstance(phases, dict)
    phases["testing"] = [[each[0] + 0.9, each[1]] for each in phases["testing"]]


# a third is in the fast tier
_NAMES = [
    pytest.param(name, marks=pytest.mark.slow if number % 3 else ()) for number, name in enumerate(EDITS)
]


@pytest.mark.parametrize("name", _NAMES)
def test_a_dishonest_edit_is_named(name: str, tmp_path: Path) -> None:
    edit, expected = EDITS[name]
    edit(build_power(tmp_path, "Offline"))
    assert errors(tmp_path) == expected


def test_an_hour_of_daylight_saving_is_a_warning(tmp_path: Path) -> None:
    performance = build_power(tmp_path, "Offline")

    def change(data: dict[str, object]) -> None:
        phases = data["phases"]
        assert isinstance(phases, dict)
        data["phases"] = {
            mode: [[each[0] - 3600, each[1]] for each in moments] for mode, moments in phases.items()
        }

    edit_json(performance, BOTH, change)
    rules = {(each.severity, each.rule) for each in check(tmp_path).findings}
    assert rules == {("warning", "power-clock")}


def test_failed_readings_are_a_warning_and_left_out(tmp_path: Path) -> None:
    performance = build_power(tmp_path, "Offline")
    in_samples(lambda lines: [line.replace("Watts,20.1", "Watts,-20.1") for line in lines])(performance)
    write_session(performance)
    report = check(tmp_path)
    assert [each.what for each in report.findings] == [
        "1 of 3 samples of the run hold no reading and are left out"
    ]
    assert report.rows[0]["mean_power_w"] == pytest.approx((20.0 + 20.2) / 2)


def write_session(performance: Path) -> None:
    """PTDaemon's log and server.json as they belong to the samples."""
    windows = {mode: window(performance / folder) for mode, folder in FOLDERS.items()}
    (performance / "power/ptd_logs.txt").write_text(ptdaemon_log(performance, windows))
    (performance / "power/server.json").write_text(json.dumps(session(performance, "server", windows)))
    rehash(performance)


@pytest.mark.parametrize("link", [True, False])
def test_power_that_is_not_a_folder_is_not_passed_in_silence(link: bool, tmp_path: Path) -> None:
    performance = build_power(tmp_path / "tree", "Offline")
    (performance / "power").rename(tmp_path / "power")
    if link:
        (performance / "power").symlink_to(tmp_path / "power")
    else:
        write(performance / "power", "x")
    assert errors(tmp_path / "tree") == {("power-file", "power")}


def test_a_system_without_its_rated_power_is_a_warning(tmp_path: Path) -> None:
    build_power(tmp_path, "Offline")
    system = tmp_path / "open/Acme/machines/board.json"
    data = json.loads(system.read_text())
    del data["system_power_capacity"]
    system.write_text(json.dumps(data))
    assert [each.rule for each in check(tmp_path).findings] == ["power-nameplate"]
    (tmp_path / "open/Acme/machines/board_power.yaml").write_text("rack: {}\n")
    assert check(tmp_path).findings == []


def test_a_session_s_name_is_in_every_sample(tmp_path: Path) -> None:
    performance = build_power(tmp_path, "Offline")
    assert f"Mark,{SESSION}_testing" in (performance / "run_1/spl.txt").read_text()
