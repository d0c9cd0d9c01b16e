"""The clock of a run's time limit."""

import time

from qutiperf.run import watch as module
from qutiperf.run.watch import Watch


def test_preparation_has_a_limit_of_its_own() -> None:
    watch = Watch(None, 0.0)
    watch.begin(0.2)
    watch.prepare(started=True)
    time.sleep(0.25)
    assert watch.left_s > module.PREPARE_LIMIT_S - 10
    watch.prepare(started=False)
    assert 0.25 <= watch.prepared_s < 5
    assert 0 < watch.left_s <= 0.2
    time.sleep(0.21)
    assert watch.left_s == 0


def test_the_next_run_starts_with_nothing_prepared() -> None:
    watch = Watch(None, 0.0)
    watch.begin(1.0)
    watch.prepare(started=True)
    watch.begin(1.0)
    watch.prepare(started=False)
    assert watch.prepared_s == 0
    assert watch.left_s <= 1.0
