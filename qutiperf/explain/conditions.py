"""Why a run was slow or unstable, from the data of its record beyond LoadGen's logs."""

from collections.abc import Callable, Mapping

from qutiperf.explain.finding import Context, Finding
from qutiperf.explain.wording import milliseconds_text, percent_text
from qutiperf.mlperf_logs import LoadGenResult
from qutiperf.results.metrics import GENERATOR_SHARE, kind_of_reason
from qutiperf.units import MILLISECONDS_PER_SECOND, format_number

_STOP_OTHERS = "stop other programs, delete the run's folder, and run the same command again"
_LARGE_SHARE = 0.25
_LONGER = 3  # times the minimum duration, to average out disturbances
_PHASES: Mapping[str, tuple[str, str]] = {
    "late": ("LoadGen issuing queries late", "fewer threads or streams leave a core for LoadGen's thread"),
    "queue": ("waiting in the queue", "more streams answer more batches at once, if the device has capacity"),
    "prepare": ("decoding and preprocessing", "feed threads prepare the next batch while one is computed"),
    "gather": (
        "gathering samples into a batch",
        "samples that are not consecutive in memory have to be copied",
    ),
    "transfer": (
        "copying to and from the device",
        "every copy has a fixed cost, which a larger batch pays once",
    ),
    "respond": ("returning answers", "every answer has a fixed cost, which a larger batch pays once"),
}


def slow(result: LoadGenResult, context: Context) -> list[Finding]:
    """Phases other than compute with a large share, a limiting harness, more threads than cores."""
    return [*_phases(result, context), *_generator(result, context), *_threads(context)]


def _phases(result: LoadGenResult, context: Context) -> list[Finding]:
    whole_ns = sum(context.phase_mean_ns.values())
    phases = []
    for phase in _PHASES:
        share = context.phase_mean_ns.get(phase, 0) / whole_ns if whole_ns else 0
        # one Offline query has all samples, so waiting is part of the scenario
        if share > _LARGE_SHARE and not (phase == "queue" and result.scenario == "Offline"):
            phases.append((share, _phase(result, phase, share, context)))
    return [finding for _, finding in sorted(phases, key=lambda pair: -pair[0])]


def _phase(result: LoadGenResult, phase: str, share: float, context: Context) -> Finding:
    name, because = _PHASES[phase]
    taken = milliseconds_text(context.phase_mean_ns[phase])
    compute = milliseconds_text(context.phase_mean_ns.get("compute"))
    setting, value = _phase_setting(result, phase, context)
    what = f"{taken} of a batch ({percent_text(share)}), compute takes {compute}"
    return Finding("slow", name, what, because, setting=setting, value=value)


def _phase_setting(result: LoadGenResult, phase: str, context: Context) -> tuple[str | None, int | None]:
    if phase == "queue":
        return "deployment.streams", 2 * (context.streams or 1)
    if phase == "prepare":
        return "settings.feed_threads", max((context.cores or 2) // 2, 1)
    if phase in ("transfer", "respond"):
        return _larger_batch(result, context)
    return None, None


def _larger_batch(result: LoadGenResult, context: Context) -> tuple[str | None, int | None]:
    """No cure in SingleStream, where a query is one sample."""
    if result.scenario == "SingleStream":
        return None, None
    return "deployment.batch_size", 4 * (context.batch_size or 1)


def _generator(result: LoadGenResult, context: Context) -> list[Finding]:
    share = context.generator_share
    if share is None or share <= GENERATOR_SHARE:
        return []
    setting, value = _larger_batch(result, context)
    what = f"the harness itself takes {percent_text(share)} of the measured time"
    because = "the figure depends on the harness as much as on the device"
    cure = "measure Offline with larger batches" if setting is None else ""
    return [Finding("slow", "limited by the harness", what, because, cure, setting=setting, value=value)]


def _threads(context: Context) -> list[Finding]:
    if context.threads is None or context.cores is None:
        return []
    streams = context.streams or 1
    if context.threads * streams <= context.cores:
        return []
    what = f"{streams} streams x {context.threads} threads on {context.cores} cores"
    because = "threads that share a core wait for each other"
    value = max(context.cores // streams, 1)
    return [
        Finding("slow", "more threads than cores", what, because, setting="deployment.threads", value=value)
    ]


def disturbed(result: LoadGenResult, context: Context) -> list[Finding]:
    """The reasons for a quality other than ok, each with its cure, and related facts about the host."""
    reasons: dict[str, list[str]] = {}
    for reason in context.quality_reasons:
        if reason not in result.invalid_reasons:
            reasons.setdefault(kind_of_reason(reason), []).append(reason)
    noisy = [_NOISY[kind](reason) for kind in _NOISY for reason in reasons.get(kind, [])]
    noisy += [_repeats(reason, disturbed=bool(noisy)) for reason in reasons.get("repeats", [])]
    unsteady = [*reasons.get("unstable", []), *reasons.get("other", [])]
    if not unsteady:
        return noisy
    load = [] if "other programs" in reasons else _load(context)
    return [*noisy, _unsteady(result, unsteady, longer=not (noisy or load)), *_governor(context), *load]


def _repeats(reason: str, *, disturbed: bool) -> Finding:
    """The repeats are marked together, whichever of them was disturbed."""
    because = "a single repeat says little about this point; `best` compares medians with their intervals"
    cure = (
        "first remove the disturbances (see the other findings)"
        if disturbed
        else (
            "look for noisy repeats, measure longer (settings.min_duration_s), or state another bound "
            "(stable_within_percent)"
        )
    )
    return Finding("unstable", "repeats differ", reason, because, cure)


def _other_programs(reason: str) -> Finding:
    return Finding("noisy", "other programs", reason, "they slow the run down", _STOP_OTHERS)


def _lost_connections(reason: str) -> Finding:
    because = "the time to send a request again counts as latency"
    return Finding("noisy", "unreliable network", reason, because, "check the link to the device")


def _other_guests(reason: str) -> Finding:
    because = "this is a virtual machine, and its host ran others instead"
    return Finding("noisy", "other guests", reason, because, "measure on a machine or instance of its own")


def _memory(reason: str) -> Finding:
    because = "the kernel reclaimed or swapped memory meanwhile"
    return Finding("noisy", "too little memory", reason, because, "free memory, or use fewer streams")


def _throttled(reason: str) -> Finding:
    because = "it was too hot, or above its power limit; environment.csv has the temperature"
    cure = "improve the cooling, let it cool down between runs, or measure in a slower operating mode"
    return Finding("noisy", "throttling", reason, because, cure)


def _clock(reason: str) -> Finding:
    because = "the governor, a power limit or the temperature lowered it; environment.csv has both"
    command = "sudo cpupower frequency-set -g performance"
    return Finding("noisy", "changing clock", reason, because, command=command)


def _unsteady(result: LoadGenResult, reasons: list[str], *, longer: bool) -> Finding:
    """Suggests a longer run only if no other finding explains the disturbance."""
    what = "; ".join(reasons)
    if not longer:
        cure = "first remove the disturbances (see the other findings)"
        return Finding("unstable", "unsteady times", what, cure=cure)
    duration_s = result.effective_number("min_duration_ms") / MILLISECONDS_PER_SECOND
    seconds = _LONGER * max(duration_s, result.duration_s or 0)
    finding = Finding(
        "unstable",
        "unsteady times",
        what,
        "a longer run averages out short disturbances; a drift comes from temperature or power mode",
        setting="settings.min_duration_s",
        value=round(seconds, 1),
    )
    return finding.costing(seconds, result.duration_s)


def _governor(context: Context) -> list[Finding]:
    if context.governor in (None, "performance"):
        return []
    what = f"the frequency governor '{context.governor}' changes the clock of the cores"
    command = "sudo cpupower frequency-set -g performance"
    source = "https://docs.kernel.org/admin-guide/pm/cpufreq.html"
    return [Finding("unstable", "frequency governor", what, command=command, source=source)]


def _load(context: Context) -> list[Finding]:
    """More runnable tasks than cores, unless the run's own threads already outnumber them."""
    load, cores = context.load_1min, context.cores
    own = (context.threads or 1) * (context.streams or 1)
    if load is None or cores is None or load <= cores or own > cores:
        return []
    what = f"the load average was {format_number(load, 3)} on {cores} {'core' if cores == 1 else 'cores'}"
    return [Finding("unstable", "busy machine", what, "tasks waited for a core", _STOP_OTHERS)]


_NOISY: Mapping[str, Callable[[str], Finding]] = {
    "other programs": _other_programs,
    "other guests": _other_guests,
    "memory": _memory,
    "throttled": _throttled,
    "clock": _clock,
    "retries": _lost_connections,
}
