"""Why an accuracy is suspect: labels, order of channels or normalisation that do not fit the model."""

from qutiperf.explain.finding import Finding
from qutiperf.results.metrics import SUSPECT_PREFIX
from qutiperf.results.record import AccuracyCheck, RunRecord

_RULE = "labels or preprocessing"
_BECAUSE = (
    "an exact McNemar test on samples apart from the run: such a gain by luck has a probability below 0.1 %"
)


def suspect_accuracy(record: RunRecord) -> list[Finding]:
    """A finding for each key of the workload to change; what could not be checked is a note."""
    check = record.accuracy_check
    if check is None:
        return []
    findings = _settings(record, check) or _chance(record, check)
    if check.note is not None:
        because = "labels and preprocessing may be wrong without a finding here"
        findings.append(Finding("note", "accuracy check incomplete", check.note, because))
    return findings


def _settings(record: RunRecord, check: AccuracyCheck) -> list[Finding]:
    name = record.point.workload
    cure = f"in the file of the workload {name}, then run the same command again"
    if record.inputs.workload.rehearsal:
        cure = f"in a workload file, which `qutiperf workload new` writes for {name}"
    return [
        Finding("suspect", _RULE, _text(record), _BECAUSE, cure, setting=key, value=value)
        for key, value in check.settings.items()
        if record.reasons
    ]


def _text(record: RunRecord) -> str:
    return record.reasons[0].removeprefix(SUSPECT_PREFIX)


def _chance(record: RunRecord, check: AccuracyCheck) -> list[Finding]:
    if not check.near_chance or not record.reasons:
        return []
    cure = "check that the labels, the preprocessing and the model belong together"
    because = "the answers agree with the labels as often as if they had nothing to do with each other"
    return [Finding("suspect", "accuracy near chance", _text(record), because, cure)]
