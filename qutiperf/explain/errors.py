"""Findings that LoadGen's verdict does not include: errors, warnings, cut logs, seeds, accuracy runs."""

from collections.abc import Mapping
from dataclasses import dataclass

from qutiperf.explain.finding import LOADGEN, Context, Finding, Kind
from qutiperf.mlperf_logs import LoadGenResult, LogMessage
from qutiperf.spec.rounds import Round, Seeds, round_named, shipped_rounds


@dataclass(frozen=True, slots=True)
class _Known:
    rule: str
    because: str
    cure: str
    file: str
    kind: Kind = "error"


_KNOWN: Mapping[str, _Known] = {
    "Multiple conf files are used": _Known(
        "configuration read twice",
        "only the first FromConfig call of a process reads LoadGen's built-in mlperf.conf with the seeds",
        "start every submission run in its own process",
        "test_settings_internal.cc",
    ),
    "can't open file": _Known(
        "configuration file missing",
        "",
        "check the paths of user.conf and audit.config",
        "test_settings_internal.cc",
    ),
    "value needs to be integer or double": _Known(
        "configuration file invalid", "", "give every key in user.conf a number", "test_settings_internal.cc"
    ),
    "expected 'key=value'": _Known(
        "configuration file invalid",
        "",
        "write `model.Scenario.key = value`, one per line, with spaces around `=`",
        "test_settings_internal.cc",
    ),
    "Attempted to complete a sample twice": _Known(
        "sample answered twice",
        "LoadGen counted the first answer and dropped the later ones",
        "answer every query sample id exactly once",
        "logging.cc",
    ),
    "Received completion for an old sample": _Known(
        "late answer",
        "a sample of an earlier run was answered in this one",
        "send all answers before StartTest returns",
        "logging.cc",
    ),
    "incomplete samples": _Known(
        "answers missing", "", "answer every sample before the run ends", "logging.cc"
    ),
    "PerfClock and system_clock differ": _Known(
        "clocks disagree",
        "the wall clock was changed during the run, or runs at a different speed than the processor's clock",
        "wait until time synchronisation has settled, then run again",
        "loadgen.cc",
    ),
    "uncommitted": _Known(
        "modified LoadGen",
        "it was built from a source tree with uncommitted changes",
        "install a released mlcommons-loadgen wheel from PyPI",
        "version.cc",
    ),
    "Found Audit Config file": _Known(
        "audit.config found",
        "its settings, including the mode, replaced those of the run",
        "remove the file unless this is a compliance test",
        "loadgen.cc",
        "note",
    ),
}
# the finding about the failed rule explains it better
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
        because = "MLPerf's older submission checkers reject a log that contains an error"
        return Finding("error", "LoadGen error", what, because, source=LOADGEN)
    source = f"{LOADGEN}/{known.file}"
    return Finding(known.kind, known.rule, what, known.because, known.cure, source=source)


def incomplete(result: LoadGenResult) -> list[Finding]:
    """A log without a result, or with lines that cannot be read."""
    if not result.complete:
        what = "the detail log ends before LoadGen's result"
        because, cure = "the run was killed, crashed, or is still running", "run it again to the end"
        return [Finding("error", "run not finished", what, because, cure, source=f"{LOADGEN}/loadgen.cc")]
    if result.unreadable_line_count:
        what = f"{result.unreadable_line_count:,} lines of the detail log cannot be read"
        return [Finding("note", "damaged log", what, cure="copy the log again from its source")]
    return []


def accuracy(result: LoadGenResult) -> list[Finding]:
    """Accuracy runs have no verdict; one is complete if it answered every sample of the dataset."""
    if result.mode != "AccuracyOnly":
        return []
    answered = result.accuracy_entry_count
    if answered is None:
        answered = result.generated_sample_count
    whole = result.dataset_sample_count
    if answered is None or whole is None or answered >= whole:
        return []
    limit = result.accuracy_sample_count
    limited = limit is not None and limit < whole
    return [
        Finding(
            "error",
            "accuracy run incomplete",
            f"{answered:,} of the dataset's {whole:,} samples were answered",
            f"accuracy_sample_count_override limits the run to {limit:,}"
            if limited
            else "answers are missing",
            "remove this setting" if limited else "see LoadGen's errors, then run it again to the end",
            source="https://github.com/mlcommons/inference_policies/blob/master/inference_rules.adoc",
        )
    ]


def audit_mode(result: LoadGenResult, context: Context) -> list[Finding]:
    """The mode differs from the requested one, which only an audit.config can cause."""
    if context.mode is None or result.mode is None or context.mode == result.mode:
        return []
    what, because = (
        f"{context.mode} was requested, but {result.mode} was run",
        "an audit.config sets the mode",
    )
    cure = "remove audit.config"
    return [Finding("error", "mode changed", what, because, cure, source=f"{LOADGEN}/loadgen.cc")]


def seeds(result: LoadGenResult, context: Context) -> list[Finding]:
    """Compares the seeds that LoadGen used with those of the context's round."""
    if context.round_name is None or result.seeds is None:
        return []
    required = round_named(context.round_name)
    if result.seeds == required.seeds:
        return []
    rule = f"seeds are not those of {required.name}"
    if set(result.seeds.model_dump().values()) == {_UNUSED_SEED}:
        because = "LoadGen did not read an mlperf.conf; among the profiles, only `submission` uses one"
        cure = "run with --profile submission"
        return [Finding("error", rule, "they are all 0", because, cure, source=required.source)]
    return [_other_seeds(result, result.seeds, rule, required)]


def _other_seeds(result: LoadGenResult, used: Seeds, rule: str, required: Round) -> Finding:
    known = round_of_seeds(used)
    return Finding(
        "error",
        rule,
        f"they are those of {known.name}" if known else "they do not belong to a round that qutiperf knows",
        f"the seeds are built into the LoadGen wheel: {required.name} needs "
        f"{' or '.join(required.loadgen_versions)}, this run used "
        f"{result.loadgen_version or 'an unknown one'}",
        command=f"pip install '{required.loadgen_requirement}'",
        source=required.source,
    )


def round_of_seeds(used: Seeds | None) -> Round | None:
    """The shipped round with these three seeds."""
    return next((entry for entry in shipped_rounds() if entry.seeds == used), None)
