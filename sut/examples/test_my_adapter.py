"""The contract, check by check and briefly; `qutiperf adapter test my_adapter.yaml` is thorough."""

from pathlib import Path

import pytest

from qutiperf.conformance.checks import CHECKS, check
from qutiperf.conformance.kit import job_for

SUT = Path(__file__).with_name("my_adapter.yaml")
NEEDS_TIME = {"memory", "caching"}


@pytest.mark.parametrize("name", [name for name in CHECKS if name not in NEEDS_TIME])
def test_it_keeps_to_the_contract(name: str, tmp_path: Path) -> None:
    finding = check(name, job_for(str(SUT), None, budget_s=0.2), tmp_path)
    assert finding.verdict != "FAIL", finding.seen
