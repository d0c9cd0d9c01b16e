"""What LoadGen wrote as errors and warnings, cut logs, seeds, accuracy runs: what a verdict does not say."""

from collections.abc import Mapping
from dataclasses import dataclass

from qutiperf.explain.finding import LOADGEN, Context, Finding, Kind
from qutiperf.mlperf_logs import LoadGenResult, LogMessage
from qutiperf.spec import catalog
from qutiperf.spec.rounds import Round, Seeds, load_round


@dataclass(frozen=True, slots=True)
class _Known:
    rule: str
    advice: str
    file: str
    kind: Kind = "error"


_KNOWN: Mapping[str, _Known] = {
    "Multiple conf files are used": _Known(
        "configuration read twice",
        "a process may call FromConfig once: later runs in it are without LoadGen's built-in mlperf.conf and "
        "its seeds; give every submission run its own process",
        "test_settings_internal.cc",
    ),
    "can't open file": _Known(
        "configuration file missing",
        "name an existing user.conf or audit.config",
        "test_settings_internal.cc",
    ),
    "value needs to be integer or double": _Known(
        "configuration file wrong", "every value in user.conf is a number", "test_settings_internal.cc"
    ),
    "expected 'key=value'": _Known(
        "configuration file wrong",
        "write `model.Scenario.key = value` with spaces round the sign, one a line",
        "test_settings_internal.cc",
    ),
    "Attempted to complete a sample twice": _Known(
        "sample answered twice",
        "the system under test must answer every query sample id once; the later answers were dropped",
        "logging.cc",
    ),
    "Received completion for an old sample": _Known(
        "late answer",
        "a sample of an earlier run was answered in this one; end all answers before StartTest returns",
        "logging.cc",
    ),
    "incomplete samples": _Known(
        "answers missing", "the system under test must answer every sample before the run ends", "logging.cc"
    ),
    "PerfClock and system_clock differ": _Known(
        "clocks disagree",
        "the wall clock was changed or runs at another speed than the processor's; let time synchronisation "
        "settle before the run",
        "loadgen.cc",
    ),
    "uncommitted": _Known(
        "LoadGen was changed", "use a released mlcommons-loadgen wheel from PyPI", "version.cc"
    ),
    "Found Audit Config file": _Known(
        "audit.config found",
        "LoadGen took its settings and made this a PerformanceOnly run, whatever mode was asked; remove the "
        "file unless this is a compliance test",
        "loadgen.cc",
        "note",
    ),
}
# said better by the finding about the rule that failed with it
_EXPLAINED_ELSEWHERE = ("Ending early",)
_UNUSED_SEED = 0


def messages(result: LoadGenResult) -> list[Finding]:
    """LoadGen's errors and the warnings that change what was measured, one finding per kind."""
    shown = [entry for entry in result.errors if not _explained(result, entry)]
    known = [entry for entry in result.warnings if _known(entry) is not None]
    return [_finding(entry) for entry in [*shown, *known]]


def _explained(result: LoadGenResult, entry: LogMessage) -> bool:
    return result.validity == "INVALID" and any(text in entry.text for text in _EXPLAINED_ELSEWHERE)


def _known(entry: LogMessage) -> _Known | None:
    return next((known for text, known in _KNOWN.items() if text in entry.text), None)


def _finding(entry: LogMessage) -> Finding:
    times = "" if entry.count == 1 else f" ({entry.count:,} times)"
    known = _known(entry)
    what = f"LoadGen wrote '{entry.text}'{times}"
    if known is None:
        advice = "MLPerf's older submission checkers reject a log with an error"
        return Finding("error", "LoadGen error", what, advice, source=LOADGEN)
    return Finding(known.kind, known.rule, what, known.advice, source=f"{LOADGEN}/{known.file}")


def incomplete(result: LoadGenResult) -> list[Finding]:
    """A log that ends before the result, or lines that cannot be read."""
    if not result.complete:
        what = "the detail log ends before LoadGen's result"
        advice = "the run was killed, crashed or still goes on: run it again to the end"
        return [Finding("error", "run not finished", what, advice, source=f"{LOADGEN}/loadgen.cc")]
    if result.unreadable_line_count:
        what = f"{result.unreadable_line_count:,} lines of the detail log cannot be read"
        return [Finding("note", "damaged log", what, "copy the log again from where it was written")]
    return []


def accuracy(result: LoadGenResult) -> list[Finding]:
    """An accuracy run has no verdict; it counts if it answered every sample of the data set."""
    if result.mode != "AccuracyOnly":
        return []
    answered = result.accuracy_entry_count
    if answered is None:
        answered = result.generated_sample_count
    whole = result.dataset_sample_count
    if answered is None or whole is None or answered >= whole:
        return []
    asked = result.accuracy_sample_count
    limited = asked is not None and asked < whole
    return [
        Finding(
            "error",
            "accuracy run incomplete",
            f"{answered:,} of the data set's {whole:,} samples were answered",
            f"accuracy_sample_count_override limits it to {asked:,}: leave it out"
            if limited
            else "answers are missing: LoadGen's errors or a killed run say why",
            source="https://github.com/mlcommons/inference_policies/blob/master/inference_rules.adoc",
        )
    ]


def audit_mode(result: LoadGenResult, context: Context) -> list[Finding]:
    """The mode that ran is not the one asked, which only an audit.config does."""
    if context.mode is None or result.mode is None or context.mode == result.mode:
        return []
    what = f"{context.mode} was asked, {result.mode} was run"
    return [Finding("error", "mode changed", what, "remove audit.config", source=f"{LOADGEN}/loadgen.cc")]


def seeds(result: LoadGenResult, context: Context) -> list[Finding]:
    """Asked for a round: its seeds against those that LoadGen used."""
    if context.round_name is None or result.seeds is None:
        return []
    asked = load_round(context.round_name)[0]
    if result.seeds == asked.seeds:
        return []
    rule = f"seeds are not those of {asked.name}"
    if set(result.seeds.model_dump().values()) == {_UNUSED_SEED}:
        what = "they are all 0: LoadGen read no mlperf.conf, as in every profile but `submission`"
        return [Finding("error", rule, what, "run with --profile submission", source=asked.source)]
    return [_other_seeds(result, result.seeds, rule, asked)]


def _other_seeds(result: LoadGenResult, used: Seeds, rule: str, asked: Round) -> Finding:
    found = round_of_seeds(used)
    return Finding(
        "error",
        rule,
        f"they are those of {found.name}" if found else "they are of no round that is known here",
        f"the seeds are built into the LoadGen wheel: {asked.name} needs "
        f"{' or '.join(asked.loadgen_versions)}, this run had {result.loadgen_version or 'another'}",
        command=f"pip install '{asked.loadgen_requirement}'",
        source=asked.source,
    )


def round_of_seeds(used: Seeds | None) -> Round | None:
    """The shipped round whose three seeds these are."""
    rounds = (load_round(name)[0] for name in catalog.names("round"))
    return next((entry for entry in rounds if entry.seeds == used), None)
