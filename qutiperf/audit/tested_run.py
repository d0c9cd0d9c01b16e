"""A performance run with its accuracy run and the run of a test, as folders of LoadGen's logs."""

from dataclasses import dataclass
from pathlib import Path

from qutiperf.audit.evidence import DETAIL
from qutiperf.mlperf_logs.trace import Trace, read_trace


@dataclass(frozen=True, slots=True)
class TestedRun:
    """`test` is the folder of the test's own run; `response_dtype` is numpy's name of an answer's type."""

    __test__ = False
    run_id: str
    scenario: str
    performance: Path
    accuracy: Path | None
    test: Path
    response_dtype: str = "float32"

    def performance_trace(self) -> Trace:
        """Raises OSError."""
        return read_trace(self.performance / DETAIL)

    def test_trace(self) -> Trace:
        """Raises OSError."""
        return read_trace(self.test / DETAIL)
