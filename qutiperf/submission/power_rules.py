"""A power measurement against the round's rules: meter, clocks, hashes, logs and samples."""

import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from uuid import UUID

from qutiperf.audit.finding import AuditFinding, FindingMaker
from qutiperf.audit.power_samples import LoggedWindow, PowerSamples
from qutiperf.audit.power_session import PowerSession, ServerSession
from qutiperf.audit.ptdaemon_log import PtdaemonLog
from qutiperf.spec.round_rules import PowerRule

_VERSION = re.compile(r"version=(.+?)-")
_HELLO = re.compile(r"mlcommons/power (?:client|server) v(\d+)$")
_REPLIES = {
    "SR,A": "Range A changed",
    "SR,V": "Range V changed",
    "Go,1000,": "Starting untimed measurement, maximum 500000 samples at 1000ms with 0 rampup samples",
    "Stop": "Stopping untimed measurement",
}
_STOPPED_ALREADY = "Error: no measurement to stop"
_AGAIN = "measure again with power-dev as it is released"
_DAYLIGHT_SAVING_S = 3600
_SAME = 2e-6  # PTDaemon prints six digits behind the point


def session_findings(session: PowerSession, rule: PowerRule, make: FindingMaker) -> Iterator[AuditFinding]:
    """What one end's file says of itself."""
    if session.sources not in rule.client_sources:
        what = "was written by a changed power-dev, or by another release than the round allows"
        yield make.error("power-sources", what, _AGAIN, source="power_checker")


def agreement_findings(
    client: PowerSession, server: ServerSession, rule: PowerRule, make: FindingMaker
) -> Iterator[AuditFinding]:
    """client.json against server.json, as findings about the client's."""
    if not _same_ids(client, server):
        yield make.error("power-session", "its uuids are not those of server.json", source="power_checker")
    if client.session_name != server.session_name:
        what = f"is session {client.session_name[:60]}, server.json {server.session_name[:60]}"
        yield make.error("power-session", what, source="power_checker")
    yield from _messages(client, server, make)
    for mode in ("ranging", "testing"):
        pairs = list(zip_longest(client.moments(mode), server.moments(mode)))
        if not pairs or any(one is None or two is None for one, two in pairs):
            yield make.error("power-clock", f"its phases of {mode} are not those of server.json")
            continue
        apart_s = max(abs(one - two) for one, two in pairs)
        if not apart_s <= rule.most_clock_difference_s:
            what = f"the clocks of client and server are {apart_s:.3g} s apart in {mode}"
            cure = f"at most {rule.most_clock_difference_s:g} s; synchronise both by NTP"
            yield make.error("power-clock", what, cure, source="power_checker")


def _same_ids(client: PowerSession, server: PowerSession) -> bool:
    try:
        return all(
            UUID(one) == UUID(two)
            for one, two in (
                (client.uuid.client, server.uuid.client),
                (client.uuid.server, server.uuid.server),
            )
        )
    except ValueError:
        return False


def _messages(client: PowerSession, server: ServerSession, make: FindingMaker) -> Iterator[AuditFinding]:
    for number, (one, two) in enumerate(zip_longest(client.messages, server.messages), 1):
        same = one is not None and two is not None and one.cmd == two.cmd
        if not same or (one.cmd != "time" and one.reply != two.reply):
            what = f"message {number} is not the one in server.json"
            yield make.error("power-session", what, _AGAIN, source="power_checker")
            return
    hello = client.messages[0] if client.messages else None
    versions = (
        [match.group(1) for text in (hello.cmd, hello.reply) if (match := _HELLO.search(text))]
        if hello
        else []
    )
    if len(versions) != 2 or versions[0] != versions[1]:
        what = "does not start with a client and a server of one version"
        yield make.error("power-session", what, _AGAIN, source="power_checker")


def meter_findings(server: ServerSession, rule: PowerRule, make: FindingMaker) -> Iterator[AuditFinding]:
    """The meter, PTDaemon's version and replies, and the ranges before, during and after."""
    if server.debug:
        yield make.error("power-debug", "the server ran in debug mode", _AGAIN, source="power_checker")
    identity = server.reply_to("Identify")
    model, version = identity.split(",")[0], _VERSION.search(identity)
    if model not in rule.meters:
        what = f"the meter is {model[:60]!r}" if model else "PTDaemon did not identify a meter"
        yield make.error("power-meter", what, f"allowed: {', '.join(rule.meters)}", source="power_checker")
    if version is None or version.group(1) not in rule.ptdaemon_versions:
        what = f"PTDaemon is version {version.group(1)[:20]}" if version else "PTDaemon's version is missing"
        cure = f"allowed: {', '.join(rule.ptdaemon_versions)}"
        yield make.error("power-meter", what, cure, source="power_checker")
    yield from _configuration(server, rule, make)
    yield from _replies(server, make)
    yield from _ranges(server, make)


def _configuration(server: ServerSession, rule: PowerRule, make: FindingMaker) -> Iterator[AuditFinding]:
    if not server.analyzers:
        yield make.error("power-meter", "ptd_config has no meter", source="power_checker")
    for each in server.analyzers:
        if each.device_type not in rule.meters.values():
            what = f"PTDaemon was started for device {each.device_type}, which is not a meter of the round"
            yield make.error("power-meter", what, source="power_checker")
        if each.device_type in rule.two_channel_meters:
            given = each.command[each.command.index("-c") + 1 :][:1] if "-c" in each.command else []
            if len(each.channel or []) != 2 or len(",".join(given).split(",")) != 2:
                what = f"device {each.device_type} needs two numbers for its channels"
                yield make.error("power-meter", what, source="power_checker")


def _replies(server: ServerSession, make: FindingMaker) -> Iterator[AuditFinding]:
    stop_count = 0
    for each in server.ptd_messages:
        expected = next((reply for start, reply in _REPLIES.items() if each.cmd.startswith(start)), None)
        if each.cmd == "Stop":
            stop_count += 1
            expected = _STOPPED_ALREADY if stop_count > 2 else expected
        if expected is not None and each.reply != expected:
            what = f"PTDaemon answered {each.cmd[:60]!r} with {each.reply[:80]!r}, not {expected!r}"
            yield make.error("power-reply", what, _AGAIN, source="power_checker")
            return


def _ranges(server: ServerSession, make: FindingMaker) -> Iterator[AuditFinding]:
    """Automatic to look for the range, fixed while measuring, and at the end as they were."""
    fields = server.reply_to("RR").split(",")
    if len(fields) < 5:
        yield make.error("power-range", "the meter's first ranges are missing", source="power_checker")
        return
    commands = [each.cmd for each in server.ptd_messages]
    starts = [number for number, each in enumerate(commands) if each.startswith("Go,")]
    for letter, at, name in (("A", 1, "current"), ("V", 3, "voltage")):
        setting = (
            [each for each in commands[: starts[-1]] if each.startswith(f"SR,{letter},")] if starts else []
        )
        if not setting or setting[-1] == f"SR,{letter},Auto":
            what = f"the meter's {name} range was not fixed for the measured run"
            yield make.error("power-range", what, _AGAIN, source="power_rules")
        first = _first_range(fields, at)
        last = [each for each in commands if each.startswith(f"SR,{letter},")][-1:]
        if last != [f"SR,{letter},{first}"]:
            what = f"the meter's {name} range was {first} at first, and was not set back"
            yield make.error("power-range", what, _AGAIN, source="power_checker")


def _first_range(fields: list[str], at: int) -> str:
    try:
        return fields[at + 1] if fields[at] == "0" and float(fields[at + 1]) > 0 else "Auto"
    except ValueError:
        return "Auto"


def hash_findings(
    session: PowerSession, hashes: Mapping[str, str], make: FindingMaker
) -> Iterator[AuditFinding]:
    """`hashes` are the sha1 of the files as they are, by their names in the session."""
    for name, digest in hashes.items():
        if name in session.results and session.results[name] != digest:
            what = f"has another sha1 for {name} than the file"
            cure = "publish the files of one session as power-dev wrote them"
            yield make.error("power-hash", what, cure, source="power_checker")


def window_findings(
    session: PowerSession, mode: str, window: LoggedWindow, make: FindingMaker
) -> Iterator[AuditFinding]:
    """LoadGen's run lies between the second and the third moment of its mode."""
    moments = session.moments(mode)
    if len(moments) < 3:
        yield make.error("power-clock", f"lacks the phases of {mode}", source="power_checker")
        return
    for name, at in (("power_begin", window.begin), ("power_end", window.end)):
        seconds = at.timestamp()
        if moments[1] < seconds < moments[2]:
            continue
        if moments[1] < seconds - _DAYLIGHT_SAVING_S < moments[2]:
            what = f"LoadGen's {name} is an hour after the {mode} of the session"
            yield make.warning("power-clock", what, "log in UTC", source="power_checker")
        else:
            what = f"LoadGen's {name} is outside the {mode} of the session"
            yield make.error("power-clock", what, "is it the log of another run?", source="power_checker")


def ptdaemon_findings(log: PtdaemonLog, session_name: str, make: FindingMaker) -> Iterator[AuditFinding]:
    ranging = f"{session_name}_ranging"
    started = log.starts.get(ranging)
    if started is None or ranging not in log.completed:
        what = f"does not start and complete '{ranging}'"
        yield make.error("power-log", what, "is it the log of another session?", source="power_checker")
        return
    checked = log.checks_uncertainty_from
    if checked is None or checked >= started:
        what = "PTDaemon did not check the uncertainty from the start"
        yield make.error("power-log", what, source="power_checker")
    if log.error is not None:
        more = f" and {log.error_count - 1:,} more" if log.error_count > 1 else ""
        what = f"PTDaemon reports an error outside ranging: {log.error[1]}{more}"
        yield make.error("power-log", what, "measure again", line=log.error[0], source="power_checker")


def uncertainty_findings(
    server: ServerSession, mark: str, rule: PowerRule, make: FindingMaker
) -> Iterator[AuditFinding]:
    """The mean uncertainty of the measured run."""
    replies = server.replies_to("Uncertainty", mark)
    share = _number(replies[-1].split(",")[1:2]) if replies else None
    limit = rule.most_uncertainty_percent
    if share is None or not share >= 0:
        yield make.error("power-uncertainty", "PTDaemon gave no uncertainty of the measured run")
    elif share * 100 > limit:
        what = f"the mean uncertainty is {share * 100:.3g} %; the limit is {limit:g} %"
        yield make.error("power-uncertainty", what, "use a narrower range", source="power_checker")


def uncertain_sample_findings(log: PtdaemonLog, make: FindingMaker) -> Iterator[AuditFinding]:
    if log.uncertain_count:
        what = f"{log.uncertain_count:,} of the run's samples are above PTDaemon's limit of uncertainty"
        yield make.warning("power-uncertainty", what, line=log.uncertain_line, source="power_checker")


def _number(fields: list[str]) -> float | None:
    try:
        return float(fields[0])
    except (ValueError, IndexError):
        return None


def sample_findings(samples: PowerSamples, rule: PowerRule, make: FindingMaker) -> Iterator[AuditFinding]:
    """One spl.txt: its lines, and whether they cover the run."""
    if samples.too_many:
        yield make.error("power-samples", "holds more samples than PTDaemon writes in one measurement")
    for line, what in (
        (samples.unreadable, "the line is not a sample of PTDaemon"),
        (samples.disordered, "the sample is earlier than the one before it"),
    ):
        if line is not None:
            yield make.error("power-samples", what, _AGAIN, line=line)
    if samples.other_mark is not None:
        line, mark = samples.other_mark
        what = f"the sample is of the measurement '{mark}', not of this one"
        yield make.error("power-samples", what, _AGAIN, line=line)
    if samples.contradiction is not None:
        line, what = samples.contradiction
        yield make.error("power-samples", f"the sample has {what}", _AGAIN, line=line)
    if not samples.inside.read_count:
        what = "has no sample between LoadGen's power_begin and power_end"
        yield make.error("power-window", what, _AGAIN, source="power_checker")
        return
    if samples.longest_gap_s > rule.most_gap_s:
        what = f"has no sample for {samples.longest_gap_s:.1f} s of the run"
        yield make.error("power-window", what, _AGAIN, line=samples.gap_line, source="power_rules")


def failed_findings(samples: PowerSamples, make: FindingMaker) -> Iterator[AuditFinding]:
    """Samples of the measured run that the meter could not read; the mean is over the others."""
    failed = samples.inside.count - samples.inside.read_count
    if failed:
        what = f"{failed:,} of {samples.inside.count:,} samples of the run hold no reading and are left out"
        yield make.warning("power-samples", what, source="power_checker")


def mean_findings(
    samples: PowerSamples, replies: list[str], where: str, make: FindingMaker
) -> Iterator[AuditFinding]:
    """PTDaemon's own mean of the whole measurement, against the samples; `where` has its replies."""
    if not replies or samples.whole.mean_w is None:
        if not replies:
            yield make.error("power-samples", f"{where} has no mean of this measurement", _AGAIN)
        return
    fields = [_number([each]) for each in replies[-1].split(",")[1:7]]
    own = samples.whole
    actual = [own.mean_w, own.least_w, own.most_w, own.count, own.count - own.read_count, own.read_count]
    for name, expected, value in zip(
        (
            "a mean of {} W",
            "a least of {} W",
            "a most of {} W",
            "{} samples",
            "{} failed ones",
            "{} good ones",
        ),
        [*fields, *[None] * 6],
        actual,
        strict=False,
    ):
        if expected is None or value is None or abs(value - expected) > _SAME * max(1.0, abs(expected)):
            what = f"has {name.format(f'{value:.10g}')}, {where} {name.format(expected)}"
            yield make.error("power-samples", what, "publish the samples as PTDaemon wrote them")
            return


def ranging_findings(
    ranging_w: float | None, testing_w: float | None, rule: PowerRule, make: FindingMaker
) -> Iterator[AuditFinding]:
    """A measured run far below the run before it was not the same work."""
    if ranging_w is None or testing_w is None:
        return
    below = 100 * (1 - testing_w / ranging_w)
    if below >= rule.most_below_ranging_percent:
        what = f"the mean power is {below:.1f} % below that of the ranging run, {ranging_w:.6g} W"
        cure = f"at most {rule.most_below_ranging_percent:g} %; run the same work in both"
        yield make.error("power-ranging", what, cure, source="power_checker")
