"""Why a run was slow or unstable, from what its record knows beside LoadGen's logs."""

from collections.abc import Mapping

from qutiperf.explain.finding import Context, Finding
from qutiperf.explain.wording import milliseconds_text, percent_text
from qutiperf.mlperf_logs import LoadGenResult
from qutiperf.units import MILLISECONDS_PER_SECOND, format_number

_LARGE_SHARE = 0.25
_GENERATOR_SHARE = 0.2
_LONGER = 3  # times the minimum duration, to average over what disturbs
_PHASES: Mapping[str, tuple[str, str]] = {
    "late": ("LoadGen issuing queries late", "fewer threads or streams leave a core to LoadGen's own thread"),
    "queue": ("waiting in the queue", "more streams answer more batches at once, if the device has room"),
    "prepare": ("decoding and preprocessing", "feed threads prepare the next batch while one is computed"),
    "gather": ("gathering samples into a batch", "consecutive samples in memory need no copy"),
    "transfer": (
        "copying to and from the device",
        "every copy has a fixed cost, which a larger batch pays once",
    ),
    "respond": ("returning answers", "every answer has a fixed cost, which a larger batch pays once"),
}


def slow(result: LoadGenResult, context: Context) -> list[Finding]:
    """Phases beside compute that take a large share, a limiting harness, more threads than cores."""
    return [*_phases(result, context), *_generator(result, context), *_threads(context)]


def _phases(result: LoadGenResult, context: Context) -> list[Finding]:
    whole_ns = sum(context.phase_mean_ns.values())
    found = []
    for phase in _PHASES:
        share = context.phase_mean_ns.get(phase, 0) / whole_ns if whole_ns else 0
        # one Offline query holds all samples: that they wait for each other is the scenario
        if share > _LARGE_SHARE and not (phase == "queue" and result.scenario == "Offline"):
            found.append((share, _phase(result, phase, share, context)))
    return [finding for _, finding in sorted(found, key=lambda pair: -pair[0])]


def _phase(result: LoadGenResult, phase: str, share: float, context: Context) -> Finding:
    name, advice = _PHASES[phase]
    taken = milliseconds_text(context.phase_mean_ns[phase])
    compute = milliseconds_text(context.phase_mean_ns.get("compute"))
    setting, value = _phase_setting(result, phase, context)
    what = f"{taken} of a batch ({percent_text(share)}), compute takes {compute}"
    return Finding("slow", name, what, advice, setting=setting, value=value)


def _phase_setting(result: LoadGenResult, phase: str, context: Context) -> tuple[str | None, int | None]:
    if phase == "queue":
        return "deployment.streams", 2 * (context.streams or 1)
    if phase == "prepare":
        return "settings.feed_threads", max((context.cores or 2) // 2, 1)
    if phase in ("transfer", "respond"):
        return _larger_batch(result, context)
    return None, None


def _larger_batch(result: LoadGenResult, context: Context) -> tuple[str | None, int | None]:
    """Nothing in SingleStream, where a query is one sample."""
    if result.scenario == "SingleStream":
        return None, None
    return "deployment.batch_size", 4 * (context.batch_size or 1)


def _generator(result: LoadGenResult, context: Context) -> list[Finding]:
    share = context.generator_share
    if share is None or share <= _GENERATOR_SHARE:
        return []
    setting, value = _larger_batch(result, context)
    what = f"the harness by itself takes {percent_text(share)} of the measured time"
    advice = "the figure says as much about the harness as about the device"
    advice += (
        "; Offline with larger batches says more" if setting is None else "; in larger batches it is less"
    )
    return [Finding("slow", "limited by the load generator", what, advice, setting=setting, value=value)]


def _threads(context: Context) -> list[Finding]:
    if context.threads is None or context.cores is None:
        return []
    streams = context.streams or 1
    if context.threads * streams <= context.cores:
        return []
    what = f"{streams} streams x {context.threads} threads on {context.cores} cores"
    advice = "threads that share a core wait for each other"
    value = max(context.cores // streams, 1)
    return [
        Finding("slow", "more threads than cores", what, advice, setting="deployment.threads", value=value)
    ]


def unstable(result: LoadGenResult, context: Context) -> list[Finding]:
    """The reasons of a quality that is not ok, and what the host says about them."""
    reasons = [reason for reason in context.quality_reasons if reason not in result.invalid_reasons]
    reasons = [reason for reason in reasons if "harness alone" not in reason]
    if not reasons:
        return []
    return [*_quality(result, reasons), *_governor(context), *_load(context)]


def _quality(result: LoadGenResult, reasons: list[str]) -> list[Finding]:
    asked_s = result.effective_number("min_duration_ms") / MILLISECONDS_PER_SECOND
    seconds = _LONGER * max(asked_s, result.duration_s or 0)
    finding = Finding(
        "unstable",
        "quality",
        "; ".join(reasons),
        "a longer run averages over what comes and goes; look at temperature, power mode, other programs",
        setting="settings.min_duration_s",
        value=round(seconds, 1),
    )
    return [finding.costing(seconds, result.duration_s)]


def _governor(context: Context) -> list[Finding]:
    if context.governor in (None, "performance"):
        return []
    what = f"the cores run under the governor '{context.governor}', which changes their frequency"
    command = "sudo cpupower frequency-set -g performance"
    source = "https://docs.kernel.org/admin-guide/pm/cpufreq.html"
    return [Finding("unstable", "frequency governor", what, command=command, source=source)]


def _load(context: Context) -> list[Finding]:
    load, cores = context.load_1min, context.cores
    if load is None or cores is None or load <= cores:
        return []
    what = f"the load was {format_number(load, 3)} on {cores} cores"
    return [Finding("unstable", "busy machine", what, "end other programs, then run again")]
