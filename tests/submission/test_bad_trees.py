"""Hostile and damaged trees: a finding or one clear error each, never a traceback, never a link followed."""

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from qutiperf.errors import InputError
from qutiperf.spec.rounds import load_round
from qutiperf.submission.check import CheckReport, check_tree
from tests.submission.good_tree import ROUND, build

OFFLINE = "closed/Acme/runs/board/digits-99/Offline"


def rules(report: CheckReport, severity: str = "error") -> set[str]:
    return {finding.rule for finding in report.findings if finding.severity == severity}


@pytest.mark.parametrize("name", ["absent", "a file", "a link"])
def test_what_is_not_a_folder_is_one_error(name: str, tmp_path: Path) -> None:
    target = tmp_path / "tree"
    if name == "a file":
        target.write_text("x")
    elif name == "a link":
        target.symlink_to(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        check_tree(target, ROUND)


def test_an_empty_tree_is_an_error(tmp_path: Path) -> None:
    assert rules(check_tree(tmp_path, ROUND)) == {"no-results"}


def test_one_level_too_deep_or_too_high_is_an_error_with_the_place(tmp_path: Path) -> None:
    build(tmp_path / "trees")
    too_high = check_tree(tmp_path, ROUND)
    assert [finding.cure for finding in too_high.findings] == ["name the folder 'trees' below it"]
    too_deep = check_tree(tmp_path / "trees" / "closed", ROUND)
    assert [finding.cure for finding in too_deep.findings] == ["name the folder above it"]


def test_a_division_in_capitals_is_an_error(tmp_path: Path) -> None:
    build(tmp_path)
    (tmp_path / "closed").rename(tmp_path / "Closed")
    assert rules(check_tree(tmp_path, ROUND)) == {"division", "no-results"}


def test_links_that_leave_or_loop_are_one_warning_each(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    build(root)
    (tmp_path / "secret").mkdir()
    (root / "closed/Acme/loop").symlink_to(root)
    (root / "closed/Acme/runs/board/digits-99/Server").symlink_to(tmp_path / "secret")
    report = check_tree(root, ROUND)
    assert report.passed
    assert report.results == 3
    assert [finding.path for finding in report.findings if finding.rule == "link"] == [
        "closed/Acme/loop",
        "closed/Acme/runs/board/digits-99/Server",
    ]


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    build(tmp_path)
    with open(os.path.join(os.fsencode(tmp_path), b"closed/Acme/caf\xe9.txt"), "wb") as stream:  # noqa: PTH123, PTH118
        stream.write(b"x")
    report = check_tree(tmp_path, ROUND)
    assert report.passed
    assert rules(report, "warning") == {"name-encoding"}


def test_names_with_control_characters(tmp_path: Path) -> None:
    submitter = build(tmp_path)
    (submitter / "a\nb\x1b[2J.txt").write_text("x")
    report = check_tree(tmp_path, ROUND)
    assert [(each.severity, each.what) for each in report.findings] == [
        ("warning", "has a control character in its name")
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_files_without_permission(tmp_path: Path) -> None:
    build(tmp_path)
    (tmp_path / OFFLINE / "performance/run_1/mlperf_log_detail.txt").chmod(0)
    assert "file-unreadable" in rules(check_tree(tmp_path, ROUND))


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    build(tmp_path)
    path = tmp_path / OFFLINE / "accuracy/accuracy.txt"
    path.unlink()
    os.mkfifo(path)
    report = check_tree(tmp_path, ROUND)
    assert "file-missing" in rules(report)
    assert "special-file" in rules(report, "warning")


def test_a_json_bomb_is_a_finding(tmp_path: Path) -> None:
    build(tmp_path)
    (tmp_path / "closed/Acme/machines/board.json").write_text('{"a":' * 100_000 + "1" + "}" * 100_000)
    report = check_tree(tmp_path, ROUND)
    assert [finding.what for finding in report.findings if finding.rule == "json"] == ["is nested too deep"]


def test_a_yaml_bomb_for_a_round_is_one_error(tmp_path: Path) -> None:
    build(tmp_path)
    bomb = tmp_path / "bomb.yaml"
    levels = "\n".join(
        f"{chr(97 + n)}: &{chr(97 + n)} [{', '.join(['*' + chr(96 + n)] * 9)}]" for n in range(1, 9)
    )
    bomb.write_text(f"a: &a [x]\n{levels}\n")
    with pytest.raises(InputError, match="holds more than"):
        check_tree(tmp_path, str(bomb))


@pytest.mark.slow
def test_memory_stays_flat_on_a_gigabyte_log(tmp_path: Path) -> None:
    import resource

    build(tmp_path)
    path = tmp_path / OFFLINE / "accuracy/mlperf_log_accuracy.json"
    entry = b'{ "seq_id" : 0, "qsl_idx" : 1, "data" : "' + b"00" * 50_000 + b'" },\n'
    with path.open("wb") as stream:
        stream.write(b"[\n")
        for _ in range(10_000):
            stream.write(entry)
        stream.write(b"]\n")
    assert path.stat().st_size > 1_000_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = check_tree(tmp_path, ROUND, workers=1)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000
    assert "accuracy-log-size" in rules(report)
    path.unlink()


def test_hygiene(tmp_path: Path) -> None:
    submitter = build(tmp_path)
    (submitter / ".DS_Store").write_text("x")
    (submitter / "a b.txt").write_text("x")
    with (submitter / "large.bin").open("wb") as stream:
        stream.truncate(60 << 20)
    (tmp_path / ".gitignore").write_text("*.log\nbuild/\n")
    (submitter / "run.log").write_text("x")
    (submitter / "README.md").write_text("ran as jo@node7:~/work\nin /home/jo/work\n")
    report = check_tree(tmp_path, ROUND)
    assert report.passed
    assert {(each.rule, each.path, each.line) for each in report.findings} == {
        ("hidden-file", ".gitignore", None),
        ("hidden-file", "closed/Acme/.DS_Store", None),
        ("space-in-name", "closed/Acme/a b.txt", None),
        ("file-size", "closed/Acme/large.bin", None),
        ("ignored-file", "closed/Acme/run.log", None),
        ("private-text", "closed/Acme/README.md", 2),
        ("private-text", "closed/Acme/README.md", 1),
    }


def test_a_token_is_an_error(tmp_path: Path) -> None:
    submitter = build(tmp_path)
    (submitter / "README.md").write_text("export HF_TOKEN=hf_" + "a" * 34)
    assert rules(check_tree(tmp_path, ROUND)) == {"secret"}


def test_a_file_that_this_copy_lacks_is_not_missing(tmp_path: Path) -> None:
    build(tmp_path)
    path = f"{OFFLINE}/performance/run_1/mlperf_log_detail.txt"
    (tmp_path / path).unlink()
    report = check_tree(tmp_path, ROUND, unavailable=frozenset({path}))
    assert report.passed
    assert [(each.severity, each.path) for each in report.findings] == [("not checked", path)]


def test_an_open_benchmark_without_rules_is_not_checked_in_silence(tmp_path: Path) -> None:
    submitter = build(tmp_path, division="open")
    for path in sorted(submitter.rglob("digits-99"), key=lambda each: -len(each.parts)):
        path.rename(path.with_name("my-model"))
    report = check_tree(tmp_path, ROUND)
    assert report.passed
    assert [each.rule for each in report.findings if each.severity == "not checked"] == ["benchmark-name"] * 3
    (submitter / "model_mapping.json").write_text('{"my-model": "digits-99"}')
    assert check_tree(tmp_path, ROUND).findings == []


def test_endpoints_results_are_named_as_not_checked(tmp_path: Path) -> None:
    submitter = build(tmp_path)
    run = tmp_path / OFFLINE
    for path in (run / "performance/run_1").iterdir():
        path.unlink()
    (run / "performance/result_summary.json").write_text("{}")
    report = check_tree(tmp_path, ROUND)
    assert [(each.rule, each.path) for each in report.findings] == [("endpoints", OFFLINE)]
    assert submitter.exists()


def test_a_bundle_of_endpoints_is_named_and_not_passed(tmp_path: Path) -> None:
    for number in range(25):
        folder = tmp_path / f"Acme/s1/results/board/llama/r{number:02}"
        folder.mkdir(parents=True)
        (folder / "point.yaml").write_text("concurrency: 1\n")
        (folder / "result_summary.json").write_text("{}")
    report = check_tree(tmp_path, ROUND)
    unchecked = [each for each in report.findings if each.severity == "not checked"]
    assert len(unchecked) == 21
    assert (unchecked[0].rule, unchecked[0].path) == ("endpoints", "Acme/s1/results/board/llama/r00")
    assert unchecked[-1].what == "is an Endpoints result, and so are 4 more"
    assert [each.what for each in report.findings if each.severity == "error"] == [
        "holds no results of LoadGen; its 25 of Endpoints are not checked"
    ]


def test_a_network_tree_of_the_edge_suite_is_an_error(tmp_path: Path) -> None:
    build(tmp_path, division="network")
    problems = [each.what for each in check_tree(tmp_path, ROUND).findings if each.rule == "network"]
    assert "is_network is not true, and the tree is in the network division" in problems
    assert "system_type names edge; the network division has the datacenter suite only" in problems
    assert "has no picture of its network's topology" in problems


def test_a_network_system_names_itself_over_the_network(tmp_path: Path) -> None:
    submitter = build(tmp_path, division="network")
    system = submitter / "machines/board.json"
    data = {**json.loads(system.read_text()), "is_network": "true", "network_type": "ethernet"}
    system.write_text(json.dumps({**data, "system_type": "datacenter"}))
    (submitter / "documentation").mkdir()
    (submitter / "documentation/topology.png").write_bytes(b"png")
    whats = {each.what for each in check_tree(tmp_path, ROUND).findings if each.rule == "network"}
    assert "the SUT's name lacks 'Network SUT'" in whats
    assert any("too short for a round trip over a network" in what for what in whats)


@pytest.mark.slow
def test_the_round_of_other_seeds_is_named(tmp_path: Path) -> None:
    build(tmp_path)
    data = yaml.safe_load(Path(ROUND).read_text())
    data["seeds"] = dict.fromkeys(data["seeds"], 5)
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(data))
    for path in tmp_path.rglob("mlperf_log_detail.txt"):
        text = path.read_text()
        for name, seed in load_round("v6.0")[0].seeds.model_dump().items():
            text = re.sub(rf'(_{name}", "value": )\d+', rf"\g<1>{seed}", text)
        path.write_text(text)
    (first, *_) = [each for each in check_tree(tmp_path, str(other)).findings if each.rule == "seeds"]
    assert first.what == "qsl_rng_seed is 2465351861681999779, as in v6.0; v9.9 has 5"
