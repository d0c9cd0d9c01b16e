"""The process of one check: `python -m qutiperf.conformance FOLDER CHECK`, started by the kit alone."""

import os
import sys
from pathlib import Path

from qutiperf.conformance.checks import check
from qutiperf.conformance.finding import Job
from qutiperf.conformance.kit import JOB


def main(folder: str, name: str) -> None:
    job = Job.model_validate_json((Path(folder) / JOB).read_bytes())
    finding = check(name, job, Path(folder))
    (Path(folder) / f"{name}.json").write_text(finding.model_dump_json(), encoding="utf-8")
    sys.stderr.flush()
    os._exit(0)  # what a runtime leaves running must not keep the kit waiting


if __name__ == "__main__":
    main(*sys.argv[1:])
