"""The power of runs: which meters a system has, when each window is, and what the record holds of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep, time_ns

from qutiperf.adapters.registry import adapter_class
from qutiperf.errors import InputError, QutiperfError, SetupError
from qutiperf.mlperf_logs import test_window_ns
from qutiperf.power.power_trace import MeterWindow, write_readings
from qutiperf.power.power_verdict import Metered, PowerVerdict, judge, metered, problems
from qutiperf.power.registry import AUTO, NONE, automatic, make_meter
from qutiperf.power.sampling import MeterProcess
from qutiperf.results.record import PowerRecord
from qutiperf.run.estimate import settle_s
from qutiperf.run.job import Event
from qutiperf.spec.sut import Power, SystemUnderTest

POWER_CSV = "power.csv"


@dataclass(frozen=True, slots=True)
class PowerOutcome:
    """The power part of a record; `reason` says why a figure is missing, or is empty."""

    reason: str
    source: str | None = None
    record: PowerRecord | None = None
    figures: dict[str, float | None] = field(default_factory=dict)


def check_power(power: Power, where: str) -> None:
    """Raises InputError for a meter that does not exist, or whose argument is wrong; opens nothing."""
    if not power.meters:
        raise InputError("power.meter: names no meter", where=where, cure="write none, or leave the key out")
    for text in power.meters:
        if text not in (AUTO, NONE):
            make_meter(text).close()
        elif len(power.meters) > 1:
            cure = "name it alone"
            raise InputError(f"power.meter: '{text}' is beside other meters", where=where, cure=cure)


class Metering:
    """Samples the meters of one system after the other; `folder` holds the samplers' files."""

    def __init__(self, folder: Path, note: Callable[[str], None] = lambda _: None) -> None:
        self._folder, self._note = folder, note
        self._processes: list[MeterProcess] = []
        self._key: object = None
        self._power = Power()
        self.reason = ""
        self._base: dict[tuple[str, str], tuple[float | None, str]] = {}
        self._mode = ("", "")
        self._loaded_ns: int | None = None
        self._idle_window: MeterWindow | None = None
        self._idle: tuple[float | None, str] = (None, "")

    def check(self, systems: Iterable[SystemUnderTest]) -> None:
        """Opens the meters that each system names; raises SetupError or InputError for one that fails."""
        for sut in systems:
            self._open(sut, strict=True)

    def enter(self, sut: SystemUnderTest, operating_mode: str) -> None:
        """Starts the meters of a system in its mode, and measures the base power with nothing loaded."""
        self._open(sut, strict=False)
        self._mode = (sut.name, operating_mode)
        self._idle, self._idle_window, self._loaded_ns = (None, ""), None, None
        if self._processes and self._mode not in self._base:
            self._processes[0].collect(time_ns())  # a reading before the window
            begin = time_ns()
            sleep(self.idle_s)
            self._base[self._mode] = self._mean_w(MeterWindow(begin, time_ns()), "base")

    @property
    def idle_s(self) -> float:
        """The pause in which a power is measured; 0 without a meter."""
        if not self._processes:
            return 0.0
        first = self._processes[0].facts
        slowest_s = max([first.period_s, *(rail.update_s or 0.0 for rail in first.rails)])
        return settle_s(slowest_s)

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(process.pid for process in self._processes)

    def hear(self, event: Event) -> None:
        """From `loaded` to the first `started`, a worker is idle."""
        if event.event == "loaded":
            self._loaded_ns = time_ns()
        elif event.event == "started" and self._loaded_ns is not None:
            if self._processes:
                self._idle_window = MeterWindow(self._loaded_ns, time_ns())
            self._loaded_ns = None

    def finish(self, folder: Path) -> PowerOutcome:
        """The power of the run whose logs are in `folder`, which gets power.csv."""
        if not self._processes:
            return PowerOutcome(self.reason)
        bounds = test_window_ns(folder)
        now = time_ns()
        for process in self._processes:
            process.collect(now)
        if self._idle_window is not None:
            self._idle, self._idle_window = self._mean_w(self._idle_window, "idle"), None
        outcome = self._outcome(MeterWindow(*bounds) if bounds else MeterWindow(now, now), folder)
        for process in self._processes:
            process.forget(now)
        return outcome

    def _outcome(self, window: MeterWindow, folder: Path) -> PowerOutcome:
        meters = self._metered(window)
        verdict = judge(meters, window, self._power.rails, self._power.analyser)
        traces = [(process.facts.meter, process.trace) for process in self._processes]
        write_readings(folder / POWER_CSV, traces, window)
        (base_w, base_note), (idle_w, idle_note) = self._base.get(self._mode, (None, "")), self._idle
        notes = [note for note in (base_note, idle_note) if note]
        figures = {"base_power_w": base_w, "idle_power_w": idle_w, "full_power_w": verdict.power_w}
        record = _record(meters, verdict, window, self._power.analyser, notes)
        source = ", ".join(record.meters)
        return PowerOutcome("; ".join(verdict.reasons or record.notes), source, record, figures)

    def _metered(self, window: MeterWindow) -> list[Metered]:
        return [
            metered(process.facts, process.trace, window, process.failure, process.clock_steps)
            for process in self._processes
        ]

    def _mean_w(self, window: MeterWindow, name: str) -> tuple[float | None, str]:
        """Mean power of the first meter, or why there is none."""
        first = self._processes[0]
        first.collect(window.end_ns)
        [meter] = [metered(first.facts, first.trace, window, first.failure, first.clock_steps)]
        trouble = problems(meter, window)
        if trouble or meter.energy_j is None:
            return None, f"no {name} power: {trouble[0] if trouble else 'no reading'}"
        return meter.energy_j / window.duration_s, ""

    def _open(self, sut: SystemUnderTest, *, strict: bool) -> None:
        """Keeps meters that are open already; with `strict`, one that is named and fails is an error."""
        names, self.reason, named = _meters_of(sut)
        key = (names, sut.power.rate_hz)
        self._power = sut.power
        if key == self._key and self._processes and not any(each.failure for each in self._processes):
            return
        self.close()
        self._key = key
        try:
            if named:
                self._processes += [self._started(name, number) for number, name in enumerate(names)]
            else:
                self._start_first(names)
        except QutiperfError as error:
            self.close()
            self.reason = str(error)
            if strict:
                raise

    def _start_first(self, names: Sequence[str]) -> None:
        """The first meter that works, of those that nobody named; a missing right is worth a note."""
        reasons = []
        for number, name in enumerate(names):
            try:
                make_meter(name).open_and_close()  # without a process where there is no such meter
                self._processes.append(self._started(name, number))
                return
            except SetupError as error:
                reasons.append(f"{name}: {error}")
                if "only root" in error.what:
                    self._note(f"no power is measured: {error}")
        self.reason = "; ".join([*([self.reason] if self.reason else []), *reasons])

    def _started(self, name: str, number: int) -> MeterProcess:
        try:
            return MeterProcess(name, 1 / self._power.rate_hz, self._folder / f"meter-{number}")
        except OSError as error:
            what = f"its sampler cannot be started: {error.strerror or error}"
            raise SetupError(what, where=name.partition(":")[0], cure="free some space or memory") from None

    def close(self) -> None:
        for process in self._processes:
            process.close()
        self._processes.clear()


def _meters_of(sut: SystemUnderTest) -> tuple[list[str], str, bool]:
    """Meters of a system, the reason if there are none, and whether somebody named them."""
    meters = sut.power.meters
    if meters == [NONE]:
        return [], "power: none", True
    if meters != [AUTO]:
        return meters, "", True
    over_network = bool(adapter_class(sut.adapter).over_network)
    names, reason = automatic(sut.platform.family, over_network=over_network)
    return names, reason, False


def _record(
    meters: Sequence[Metered], verdict: PowerVerdict, window: MeterWindow, analyser: str, notes: Sequence[str]
) -> PowerRecord:
    first = meters[0]
    counted = [rail for rail in first.rails if rail.rail.counts]
    gaps = [rail.largest_gap_s for rail in counted if rail.largest_gap_s is not None]
    updates = [rail.update_s for rail in counted if rail.update_s is not None]
    return PowerRecord(
        meters=[meter.facts.meter for meter in meters],
        verified=first.facts.verified,
        valid=verdict.valid,
        grade=verdict.grade,
        reasons=verdict.reasons,
        notes=[*verdict.notes, *notes],
        analyser=analyser,
        window_s=window.duration_s,
        energy_j=verdict.energy_j,
        rails_w={
            rail.rail.name: None
            if rail.energy_j is None or not verdict.valid
            else rail.energy_j / window.duration_s
            for rail in first.rails
        },
        counted_rails=[rail.rail.name for rail in counted],
        readings=min((rail.readings for rail in counted), default=0),
        largest_gap_s=max(gaps, default=None),
        update_s=max(updates, default=None),
        wraps=sum(rail.wraps for rail in counted),
    )
