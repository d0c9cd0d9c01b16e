"""The process of one check, started by the kit: `python -m qutiperf.conformance FOLDER DESCRIPTOR`."""

import sys
from pathlib import Path

from qutiperf.conformance.checks import check
from qutiperf.conformance.finding import CheckJob
from qutiperf.run.child import Replies, end_now, read_task


def main(folder: str, descriptor: str) -> None:
    replies, job = Replies(int(descriptor)), read_task(CheckJob, Path(folder))
    replies.send(check(job.check, job, Path(folder)))
    end_now()


if __name__ == "__main__":
    main(*sys.argv[1:])
