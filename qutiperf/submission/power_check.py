"""The power folders of one entry: reads them, and computes the figure that counts."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from qutiperf.audit.evidence import DETAIL, SUMMARY, evidence_in
from qutiperf.audit.finding import AuditFinding, FindingMaker
from qutiperf.audit.log_checks import moment
from qutiperf.audit.power_samples import LoggedWindow, read_power_samples
from qutiperf.audit.power_session import PowerSession, ServerSession, Session, session_of
from qutiperf.audit.ptdaemon_log import PtdaemonLog, read_ptdaemon_log
from qutiperf.audit.tree import FileTree
from qutiperf.mlperf_logs.trace import Trace
from qutiperf.spec.round_rules import PowerRule
from qutiperf.submission import power_rules
from qutiperf.submission.json_file import read_object
from qutiperf.submission.log_rules import RunContext
from qutiperf.units import MILLIJOULES_PER_JOULE

_SAMPLES, _CLIENT, _SERVER, _LOG = "spl.txt", "client.json", "server.json", "ptd_logs.txt"
_HASHED_LOGS = (DETAIL, SUMMARY, _SAMPLES)


@dataclass(slots=True)
class PowerResult:
    """`mean_w` is the power of the run; `energy_per_query_mj` that of a stream scenario's query."""

    findings: list[AuditFinding] = field(default_factory=list)
    mean_w: float | None = None
    energy_per_query_mj: float | None = None
    ranging: Trace | None = None


def check_power(tree: FileTree, context: RunContext, main: Trace | None) -> PowerResult:
    """Nothing where the entry has no power folder; never raises for what the files hold."""
    rule = context.rules.power
    result = PowerResult()
    if rule is None:
        return result
    folder = context.entry.at(rule.power)
    if folder in tree.files or folder in tree.links:
        make = FindingMaker(folder, context.rules.sources)
        result.findings.append(make.error("power-file", "is not a folder", "put the logs themselves there"))
    if not tree.has_folder(folder):
        return result
    _PowerCheck(tree, context, rule, result).run(main)
    return result


class _PowerCheck:
    def __init__(self, tree: FileTree, context: RunContext, rule: PowerRule, result: PowerResult) -> None:
        self._tree, self._context, self._rule, self._result = tree, context, rule, result
        self._power = context.entry.at(rule.power)
        self._folders = {"testing": context.entry.at(context.rules.layout.performance)}
        self._folders["ranging"] = context.entry.at(rule.ranging)

    def run(self, main: Trace | None) -> None:
        self._files()
        client, server = self._session(_CLIENT, PowerSession), self._session(_SERVER, ServerSession)
        self._result.ranging = self._ranging_log()
        if client is not None and server is not None:
            make = self._make(f"{self._power}/{_CLIENT}")
            self._add(power_rules.agreement_findings(client, server, self._rule, make))
            self._hashes(client, server)
        if server is not None:
            make = self._make(f"{self._power}/{_SERVER}")
            self._add(power_rules.meter_findings(server, self._rule, make))
            mark = f"{server.session_name}_testing"
            self._add(power_rules.uncertainty_findings(server, mark, self._rule, make))
            self._measurements(client, server, main)
        self._nameplate()

    def _make(self, path: str) -> FindingMaker:
        return FindingMaker(path, self._context.rules.sources)

    def _add(self, findings: Iterator[AuditFinding]) -> None:
        self._result.findings.extend(findings)

    def _files(self) -> None:
        """Each folder has these files and no others."""
        rules = self._context.rules.files
        logs = [*rules.performance, *self._rule.run_files]
        self._exactly(self._power, self._rule.files, ())
        for folder in self._folders.values():
            self._exactly(folder, logs, rules.compliance_optional)

    def _exactly(self, folder: str, names: Sequence[str], optional: Sequence[str]) -> None:
        for name in names:
            path = f"{folder}/{name}"
            make = self._make(path)
            if path in self._tree.unavailable and path not in self._tree.files:
                what = "not available in this copy of the tree"
                self._result.findings.append(AuditFinding("not checked", "not-available", path, what))
            elif self._tree.lacks(path):
                self._add(iter([make.error("file-missing", "is missing", "add the file", source="checker")]))
            elif self._tree.files[path] == 0:
                self._add(iter([make.error("file-empty", "is empty", source="checker")]))
        extra = [name for name in self._tree.files_in(folder) if name not in (*names, *optional)]
        if extra:
            what = f"holds {', '.join(extra[:4])} beside the files of a power measurement"
            self._add(iter([self._make(folder).error("power-file", what, "remove it", source="checker")]))

    def _session(self, name: str, kind: type[Session]) -> Session | None:
        path = f"{self._power}/{name}"
        if not self._tree.files.get(path):
            return None
        make = self._make(path)
        data, problems = read_object(self._tree, path, make)
        self._result.findings += problems
        if data is None:
            return None
        session, problem = session_of(kind, data)
        if session is None:
            what = f"is not a file of power-dev: {problem}"
            self._add(iter([make.error("power-session", what, source="power_checker")]))
            return None
        self._add(power_rules.session_findings(session, self._rule, make))
        return session

    def _ranging_log(self) -> Trace | None:
        folder = self._folders["ranging"]
        names = frozenset(self._tree.files_in(folder)) & {DETAIL, SUMMARY}
        evidence = evidence_in(self._tree.path(folder), folder, names)
        self._add(evidence.findings(self._context.rules.sources))
        return evidence.trace

    def _hashes(self, client: PowerSession, server: ServerSession) -> None:
        """Every file but the two that hold the hashes."""
        names = {
            f"power/{name}": f"{self._power}/{name}"
            for name in self._rule.files
            if name not in (_CLIENT, _SERVER)
        }
        for mode, shown in (("ranging", "ranging"), ("testing", "run_1")):
            names |= {f"{shown}/{name}": f"{self._folders[mode]}/{name}" for name in _HASHED_LOGS}
        hashes = {name: digest for name, path in names.items() if (digest := self._sha1(path))}
        for session, own in ((client, _CLIENT), (server, _SERVER)):
            self._add(power_rules.hash_findings(session, hashes, self._make(f"{self._power}/{own}")))
        unknown = sorted(set(names) - set(client.results) - set(server.results))
        if unknown:
            what = f"neither end has the sha1 of {', '.join(unknown[:4])}"
            make = self._make(self._power)
            self._add(iter([make.error("power-hash", what, source="power_checker")]))

    def _sha1(self, path: str) -> str | None:
        if path not in self._tree.files:
            return None
        try:
            with self._tree.path(path).open("rb") as stream:
                # power-dev's own hash, which shows slips and not attacks
                return hashlib.file_digest(stream, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()
        except OSError as error:
            make = self._make(path)
            self._add(iter([make.error("file-unreadable", f"cannot be read: {error.strerror}")]))
            return None

    def _measurements(self, client: PowerSession | None, server: ServerSession, main: Trace | None) -> None:
        windows = {"testing": window_of(main), "ranging": window_of(self._result.ranging)}
        log = self._ptdaemon_log(server, windows["testing"])
        means: dict[str, float | None] = {}
        for mode, window in windows.items():
            if window is None:
                continue
            if client is not None:
                make = self._make(f"{self._folders[mode]}/{DETAIL}")
                self._add(power_rules.window_findings(client, mode, window, make))
            means[mode] = self._samples(mode, window, server, log)
        make = self._make(f"{self._folders['testing']}/{_SAMPLES}")
        testing_w = means.get("testing")
        self._add(power_rules.ranging_findings(means.get("ranging"), testing_w, self._rule, make))
        self._result.mean_w = testing_w
        window = windows["testing"]
        if testing_w is not None and window is not None and main is not None:
            scenario = self._context.entry.scenario or ""
            self._result.energy_per_query_mj = energy_per_query_mj(testing_w, window, main, scenario)

    def _ptdaemon_log(self, server: ServerSession, window: LoggedWindow | None) -> PtdaemonLog | None:
        path = f"{self._power}/{_LOG}"
        if window is None or not self._tree.files.get(path):
            return None
        make = self._make(path)
        try:
            log = read_ptdaemon_log(self._tree.path(path), window, f"{server.session_name}_ranging")
        except OSError as error:
            self._add(iter([make.error("file-unreadable", f"cannot be read: {error.strerror}")]))
            return None
        self._add(power_rules.ptdaemon_findings(log, server.session_name, make))
        self._add(power_rules.uncertain_sample_findings(log, make))
        return log

    def _samples(
        self, mode: str, window: LoggedWindow, server: ServerSession, log: PtdaemonLog | None
    ) -> float | None:
        """The mean power of the run, None if it has no sample."""
        path = f"{self._folders[mode]}/{_SAMPLES}"
        if not self._tree.files.get(path):
            return None
        make, mark = self._make(path), f"{server.session_name}_{mode}"
        try:
            samples = read_power_samples(self._tree.path(path), window, mark)
        except OSError as error:
            self._add(iter([make.error("file-unreadable", f"cannot be read: {error.strerror}")]))
            return None
        self._add(power_rules.sample_findings(samples, self._rule, make))
        if samples.unreadable is None and samples.whole.count:
            replies = server.replies_to("Watts", mark)
            self._add(power_rules.mean_findings(samples, replies, _SERVER, make))
            # PTDaemon's threads write over each other, so that the log may lack a reply
            logged = log.replies_about(mark, samples.whole.count) if log is not None else []
            if logged:
                self._add(power_rules.mean_findings(samples, logged, _LOG, make))
        if mode == "testing":
            self._add(power_rules.failed_findings(samples, make))
        return samples.inside.mean_w

    def _nameplate(self) -> None:
        """The power that the system's supplies are rated for; its system description may have it instead."""
        entry, template = self._context.entry, self._rule.nameplate
        if template is None or self._context.has_power_capacity or not self._tree.lacks(entry.at(template)):
            return
        make = self._make(entry.at(template))
        what = f"is missing, and the description of {entry.system} has no system_power_capacity"
        self._add(iter([make.warning("power-nameplate", what, "add one of them", source="checker")]))


def window_of(trace: Trace | None) -> LoggedWindow | None:
    """Between LoadGen's first power_begin and its power_end."""
    begin = moment(trace.first.get("power_begin")) if trace else None
    end = moment(trace.values.get("power_end")) if trace else None
    return LoggedWindow(begin, end) if begin and end and begin < end else None


def energy_per_query_mj(mean_w: float, window: LoggedWindow, main: Trace, scenario: str) -> float | None:
    """Of the stream scenarios; a MultiStream query inferred from SingleStream is eight of its queries."""
    queries = main.whole("result_query_count")
    if scenario not in ("SingleStream", "MultiStream") or not queries or queries < 0:
        return None
    per_query = 8 if (main.scenario, scenario) == ("SingleStream", "MultiStream") else 1
    return mean_w * window.duration_s * MILLIJOULES_PER_JOULE * per_query / queries
