"""Rounds are data: one YAML file makes a round, and no code knows the name of any."""

import re
from pathlib import Path

import pytest
import yaml

from qutiperf.errors import InputError
from qutiperf.spec.rounds import load_round, round_of_version
from qutiperf.submission.check import check_tree, rules_of
from tests.places import PACKAGE
from tests.submission.good_tree import ROUND, build

SHIPPED = ("v5.1", "v6.0", "v6.1")


def test_an_invented_round_is_one_file(tmp_path: Path) -> None:
    """New seeds, layout, scenarios' folders and benchmark: nothing else had to change."""
    build(tmp_path)
    mlperf_round, rules = rules_of(ROUND)
    assert mlperf_round.name == "v9.9"
    assert rules.layout.scenario.startswith("runs/")
    assert check_tree(tmp_path, ROUND).passed
    assert not check_tree(tmp_path, "v6.0").passed


def test_the_round_s_file_decides(tmp_path: Path) -> None:
    build(tmp_path)
    data = yaml.safe_load(Path(ROUND).read_text())
    data["seeds"]["qsl_rng_seed"] = 5
    data["rules"]["benchmarks"]["digits-99"]["accuracy"][0]["at_least"] = 99.0
    data["rules"]["limits"]["minimum_duration_ms"] = 600_000
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(data))
    broken_rules = {finding.rule for finding in check_tree(tmp_path, str(other)).findings}
    assert broken_rules == {"seeds", "accuracy-target", "minimum-duration"}


def test_no_code_knows_a_round() -> None:
    named = re.compile(r"""["']v\d\.\d["']""")
    users = [path for path in PACKAGE.rglob("*.py") if named.search(path.read_text())]
    assert users == []


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_rounds_have_rules(name: str) -> None:
    _, rules = rules_of(name)
    for benchmark, rule in rules.benchmarks.items():
        assert set(rule.tests) <= set(rules.tests), benchmark
        for scenarios in rule.scenarios.values():
            assert set(scenarios.required) | set(scenarios.optional) <= set(rules.scenarios)
        assert rule.accuracy, benchmark
    assert rules.benchmark_of("resnet50") == "resnet"
    resnet = rules.benchmarks["resnet"]
    assert resnet.accuracy[0].at_least == pytest.approx(76.46 * 0.99)
    assert resnet.samples.model_dump(exclude={"accuracy_in"}) == {
        "dataset": 50000,
        "accuracy": 50000,
        "performance": 1024,
        "offline": 24576,
    }


def test_seeds_of_every_wheel_are_listed() -> None:
    listed = {name: load_round(name)[0].loadgen_versions for name in SHIPPED}
    assert listed == {
        "v5.1": ["5.1.0", "5.1.1", "5.1.2", "6.0.3", "6.0.4"],
        "v6.0": [f"6.0.{number}" for number in range(5, 16)],
        "v6.1": ["6.0.16", "6.0.17"],
    }
    assert round_of_version("6.0.8") == "v6.0"


def test_layouts_differ_by_round() -> None:
    assert [rules_of(name)[1].layout.code for name in SHIPPED] == [["code"], ["src"], ["src"]]
    assert rules_of("v5.1")[1].layout.compliance.startswith("compliance/")


def test_an_unknown_round_names_those_there_are(tmp_path: Path) -> None:
    build(tmp_path)
    with pytest.raises(InputError, match=r"no round named 'v4\.0'.*allowed: v5\.1, v6\.0, v6\.1"):
        check_tree(tmp_path, "v4.0")


def test_a_build_of_today_that_calls_itself_4_1_is_a_note(tmp_path: Path) -> None:
    """As 18 accepted results of v5.1 have it: the seeds decide."""
    build(tmp_path)
    for path in tmp_path.rglob("mlperf_log_detail.txt"):
        path.write_text(
            path.read_text().replace(
                '"loadgen_version", "value": "6.0.17', '"loadgen_version", "value": "4.1'
            )
        )
    report = check_tree(tmp_path, ROUND)
    assert {(finding.severity, finding.rule) for finding in report.findings} == {("note", "loadgen-version")}


def test_an_unlisted_loadgen_with_the_seeds_is_a_note(tmp_path: Path) -> None:
    build(tmp_path)
    data = yaml.safe_load(Path(ROUND).read_text())
    data["loadgen_versions"] = ["9.9.9"]
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(data))
    report = check_tree(tmp_path, str(other))
    assert report.passed
    assert {(finding.severity, finding.rule) for finding in report.findings} == {("note", "loadgen-version")}
