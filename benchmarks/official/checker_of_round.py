"""Runs MLCommons' submission checker with the constants of a round file, on a tree in the layout of v5.1.

    cd inference/tools/submission
    python .../benchmarks/official/checker_of_round.py TREE --round tests/submission/round.yaml

So that it checks a tree of a round that it does not know: only what its constants.py holds is replaced.
"""

import argparse
import importlib
import sys
from collections.abc import Mapping
from pathlib import Path

from qutiperf.spec.round_rules import BenchmarkRule, RoundRules
from qutiperf.submission.check import rules_of

VERSION = "v5.1"
SUITES = ("datacenter", "edge", "datacenter-edge")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree", type=Path)
    parser.add_argument("--round", required=True)
    options = parser.parse_args()
    sys.path.insert(0, str(Path.cwd()))
    replace_constants(options.round)
    sys.argv = ["main", "--input", str(options.tree), "--version", VERSION, "--csv", "/dev/null"]
    return int(importlib.import_module("submission_checker.main").main() or 0)


def replace_constants(round_file: str) -> None:
    """Before the checker's other modules copy them."""
    constants = importlib.import_module("submission_checker.constants")
    mlperf_round, rules = rules_of(round_file)
    constants.MODEL_CONFIG[VERSION] = model_config(mlperf_round.seeds.model_dump(), rules)
    constants.__dict__["TEST_DURATION_MS"] = rules.limits.minimum_duration_ms
    constants.OFFLINE_MIN_SPQ_SINCE_V4.update(
        {name: each.samples.offline or 1 for name, each in rules.benchmarks.items()}
    )
    constants.SYSTEM_DESC_REQUIRED_FIELDS[:] = rules.system.present
    constants.SYSTEM_DESC_MEANINGFUL_RESPONSE_REQUIRED_FIELDS[:] = rules.system.filled


def model_config(seeds: dict[str, int], rules: RoundRules) -> dict[str, object]:
    """One entry of the official MODEL_CONFIG."""
    benchmarks = rules.benchmarks
    scenarios = {f"required-scenarios-{suite}": required(benchmarks, suite) for suite in SUITES}
    tests = {f"models_TEST0{number}": tested(benchmarks, f"TEST0{number}") for number in range(1, 10)}
    targets = {
        name: [part for score in rule.accuracy for part in (score.metric, score.at_least)]
        for name, rule in benchmarks.items()
    }
    return {
        "models": list(benchmarks),
        "seeds": seeds,
        "accuracy-target": targets,
        "accuracy-delta-perc": {name: rule.accuracy_delta_percent for name, rule in benchmarks.items()},
        "performance-sample-count": {name: rule.samples.performance for name, rule in benchmarks.items()},
        "accuracy-sample-count": {name: rule.samples.accuracy for name, rule in benchmarks.items()},
        "dataset-size": {name: rule.samples.dataset for name, rule in benchmarks.items()},
        "min-queries": {name: dict.fromkeys(rules.scenarios, 1) for name in benchmarks},
        "model_mapping": {other: name for name, rule in benchmarks.items() for other in rule.names},
        "ignore_errors": [],
        **{f"optional-scenarios-{suite}": {} for suite in SUITES},
        **scenarios,
        **tests,
    }


def required(benchmarks: Mapping[str, BenchmarkRule], suite: str) -> dict[str, list[str]]:
    """`datacenter-edge` needs the scenarios of both."""
    return {
        name: sorted(
            {each for own, rules in rule.scenarios.items() if own in suite for each in rules.required}
        )
        for name, rule in benchmarks.items()
        if any(own in suite for own in rule.scenarios)
    }


def tested(benchmarks: Mapping[str, BenchmarkRule], test: str) -> list[str]:
    return [name for name, rule in benchmarks.items() if test in rule.tests]


if __name__ == "__main__":
    sys.exit(main())
