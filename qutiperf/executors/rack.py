"""Boards that measure side by side: a thread for each, and the observer in the thread that started them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event, Thread

from qutiperf.executors.board import Board
from qutiperf.executors.board_queue import BoardQueue
from qutiperf.results.record import Failure, RunRecord
from qutiperf.run.executor import WorkObserver
from qutiperf.run.plan import Group, PlannedRun
from qutiperf.run.runner import Runner

_TICK_S = 1.0
News = Callable[[WorkObserver], None]


class StoppedError(Exception):
    """The command ends, so a board's thread does."""


class BoardLostError(Exception):
    """The board is gone; the rest of its group may go to another one."""


class Rack:
    """Measures groups on boards, each on one that can run it."""

    def __init__(self, observer: WorkObserver) -> None:
        self._observer = observer
        self.boards: list[BoardRunner] = []
        self._queue, self._news = BoardQueue(), SimpleQueue[News]()
        self._stop, self._threads, self._running = Event(), list[Thread](), 0
        self._errors: list[BaseException] = []
        self._records: list[RunRecord] = []

    def check(self) -> None:
        """Raises StoppedError once the command ends."""
        if self._stop.is_set():
            raise StoppedError

    def tell(self, news: News) -> None:
        """Has the main thread call the observer."""
        self._news.put(news)

    def run(self, groups: Sequence[Group]) -> list[RunRecord]:
        self._queue.add(groups)
        self._records = []
        while able := self._able():
            self._threads = [Thread(target=self._work, args=[each]) for each in able]
            self._running = len(able)
            for thread in self._threads:
                thread.start()
            self._follow()
        left, self._queue.waiting = self._queue.waiting, []
        for group in left:
            self._records += self._fail(group)
            self._hear()
        return self._records

    def _able(self) -> list["BoardRunner"]:
        """Boards that have something to measure; others get the loads of those that are gone."""
        for each in self.boards:
            if each.board.is_lost:
                self._queue.lose(each.board.spec, None)
        there = [each for each in self.boards if not each.board.is_lost]
        return [each for each in there if self._queue.has_work(each.board.spec)]

    def _follow(self) -> None:
        """Until all threads have ended; raises the error of one, after the others have stopped."""
        while self._running:
            if not self._hear(_TICK_S):
                self._observer.tick()
            if self._errors:
                self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _hear(self, timeout_s: float = 0.0) -> bool:
        """Passes on what has arrived; False if nothing has."""
        heard = False
        while True:
            try:
                news = self._news.get(timeout=0.0 if heard else timeout_s)
            except Empty:
                return heard
            news(self._observer)
            heard = True

    def _work(self, each: "BoardRunner") -> None:
        """The life of a board's thread."""
        try:
            while not each.board.is_lost and (group := self._queue.take(each.board.spec)) is not None:
                rest = each.measure(group)
                self._records += each.relay.take()
                if each.board.is_lost:
                    self._queue.lose(each.board.spec, rest)
                    each.relay.note(
                        f"{each.board.reason_lost()}; other boards get its loads if they can run them"
                    )
        except StoppedError:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            self._errors.append(error)
        finally:
            self.tell(self._thread_ended)

    def _thread_ended(self, _observer: WorkObserver) -> None:
        self._running -= 1

    def _fail(self, group: Group) -> list[RunRecord]:
        """Failed records of a group for which no board is left."""
        able = [each for each in self.boards if each.board.spec.runs(group.sut.name)]
        reason = "; ".join(each.board.reason_lost() for each in able)
        failure = Failure(stage="load", kind="error", reason=reason, setup_missing=True)
        able[0].relay.hands_over = False
        able[0].runner.fail(group.runs, failure)
        return able[0].relay.take()

    def end(self) -> None:
        """Stops all threads and waits for them."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


@dataclass(slots=True)
class Relay:
    """The listener of a board's runner."""

    rack: Rack
    board: Board
    hands_over: bool = True
    _records: list[RunRecord] = field(default_factory=list)

    def started(self, run: PlannedRun) -> None:
        self.rack.tell(lambda observer: observer.started(run))

    def waiting(self, run: PlannedRun, text: str) -> None:
        self.rack.tell(lambda observer: observer.waiting(run, text))

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        """Raises BoardLostError after the failed record of a board that is gone: others get the rest."""
        self._records.append(record)
        self.rack.tell(lambda observer: observer.finished(run, record))
        if self.hands_over and record.failure is not None and self.board.is_lost:
            raise BoardLostError

    def tick(self) -> None:
        self.rack.check()

    def note(self, text: str) -> None:
        self.rack.tell(lambda observer: observer.note(text))

    def has(self, run: PlannedRun) -> bool:
        return any(record.run_id == run.run_id for record in self._records)

    def take(self) -> list[RunRecord]:
        """The records since the last call."""
        taken, self._records = self._records, []
        return taken


@dataclass(slots=True)
class BoardRunner:
    """A board, what measures on it, and what listens to that."""

    board: Board
    runner: Runner
    relay: Relay

    def measure(self, group: Group) -> Group | None:
        """What is left of the group if the board is lost; the relay has the records."""
        try:
            self.runner.run(self.board.behind(group))
        except BoardLostError:
            rest = [run for run in group.runs if not self.relay.has(run)]
            return group.only(rest) if rest else None
        return None
