"""A board as the machine that runs the model of a worker: its device file, server, tunnel and log."""

import contextlib
import http.client
import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from qutiperf import host
from qutiperf.device_file import configuration_for, pack_device
from qutiperf.errors import QutiperfError, RunError, SetupError
from qutiperf.executors.board_connection import START_S, BoardConnection
from qutiperf.executors.hosts_file import RackHost
from qutiperf.executors.ssh_client import remote_command, why
from qutiperf.printable import bounded
from qutiperf.results.record import Failure
from qutiperf.run.plan import Group
from qutiperf.spec.sut import OperatingMode, Power, SystemUnderTest

OVER = "ssh"
DEVICE_LOG = "device.log"
_MODEL, _TOKEN = "model", "token"
_MOST_REQUEST_MB = 4096.0
_ANSWER_S = 300.0  # the time limit of the run comes first; a lost connection is noticed by ssh
_TRY_S = 10.0
_TAIL = 2000


def board_facts(spec: RackHost, facts: host.Facts) -> host.Facts:
    """The facts of a board as records have them: with its name, and that it was reached over ssh."""
    named: host.Facts = {"board": spec.name, "address": spec.address or spec.name}
    placed: host.Facts = {} if spec.place is None else {"place": spec.place}
    return {**facts, host.REACHED_OVER: OVER, **named, **placed}


class Board:
    """Serves one group at a time; `scratch` here is for device files, `token_file` is what requests carry."""

    def __init__(
        self,
        spec: RackHost,
        connection: BoardConnection,
        scratch: Path,
        token_file: Path,
        power: Power | None,
    ) -> None:
        self.spec, self._connection, self._scratch = spec, connection, scratch
        self._token_file, self._power = token_file, power
        self._sent: dict[tuple[str, str], str] = {}
        self._group: Group | None = None
        self._log = ""

    @property
    def pids(self) -> tuple[int, ...]:
        return (self._connection.pid,)

    @property
    def facts(self) -> host.Facts:
        return board_facts(self.spec, self._connection.facts)

    @property
    def is_lost(self) -> bool:
        return self._connection.is_lost

    def reason_lost(self) -> str:
        return str(self._connection.lost())

    def behind(self, group: Group) -> Group:
        """The group as this machine sees it: a device in a network. `serving` then starts this one."""
        self._group = group
        return replace(group, sut=self.network_system(group.sut))

    def network_system(self, sut: SystemUnderTest) -> SystemUnderTest:
        """The name has the board's, because two boards may be in the same operating mode at once."""
        modes = {name: self._mode(mode) for name, mode in sut.operating_modes.items()}
        return sut.model_copy(
            update={
                "name": f"{sut.name} on {self.spec.name}",
                "adapter": "open_inference",
                "options": {},
                "model_suffixes": [],
                "operating_modes": modes,
                "power": self._power or sut.power,
            }
        )

    def _mode(self, mode: OperatingMode) -> OperatingMode:
        """The same commands, run on the board."""
        return OperatingMode(
            enter=self._there(mode.enter), leave=self._there(mode.leave), description=mode.description
        )

    def _there(self, argv: list[str]) -> list[str]:
        return remote_command(self.spec, self._connection.control, argv) if argv else []

    @contextmanager
    def serving(self, group: Group) -> Iterator[Group]:
        """Starts a new server for each worker, because a runtime's state after an error is undefined."""
        own, self._log = self._group, ""
        if own is None:
            raise RunError("has nothing to serve", where=self._connection.where)
        try:
            port = self._started(own)
            with self._connection.tunnel(port) as here:
                self._try(here)
                yield replace(group, options=self._options(here))
        finally:
            with contextlib.suppress(SetupError, RunError):
                self._connection.request({"do": "stop"})

    def _options(self, port: int) -> dict[str, bool | int | float | str]:
        return {
            "url": f"http://127.0.0.1:{port}",
            "model_name": _MODEL,
            "token_file": str(self._token_file),
            "timeout_s": _ANSWER_S,
            "max_request_mb": _MOST_REQUEST_MB,
        }

    def _started(self, group: Group) -> int:
        """The port of the new server on the board; raises SetupError or RunError with its last line."""
        file = self._file(group)
        batch_size = max(int(run.point.deployment["batch_size"]) for run in group.runs)
        argv = [self.spec.python, file, "--host", "127.0.0.1", "--port", "0", "--model-name", _MODEL]
        argv += ["--streams", str(group.streams), "--batch-size", str(batch_size), "--token-file", _TOKEN]
        argv += ["--max-request-mb", str(_MOST_REQUEST_MB), "--max-connections", str(128 + 2 * group.streams)]
        argv += ["--options", json.dumps(group.options)]
        request = {"do": "start", "argv": argv, "environment": self.spec.environment}
        answer = self._connection.request(request, limit_s=START_S + 30)
        port = answer.get("port")
        if isinstance(port, int):
            return port
        self._log = str(answer.get("log", ""))
        raise self._not_started(answer.get("ended"))

    def _not_started(self, code: object) -> QutiperfError:
        where = self._connection.where
        if code is None:
            return RunError(f"the model was not loaded within {START_S:.0f} s", where=where)
        lines = [line.strip() for line in self._log.splitlines() if line.strip()]
        last = bounded(lines[-1]).removeprefix("qutiperf-device: ") if lines else ""
        if "ModuleNotFoundError" in last or "ImportError" in last:
            return SetupError(last, where=where, cure=f"install it there for {self.spec.python}")
        what = f"the device server did not start: {last or _ended(code)}"
        return SetupError(what, where=where) if code == SetupError.exit_code else RunError(what, where=where)

    def _file(self, group: Group) -> str:
        """The name on the board of the device file for a system and a workload, copied once."""
        key = (group.sut.name, group.workload.name)
        if key not in self._sent:
            if not self._sent:
                self._put(_TOKEN, self._token_file.read_bytes())
            name = f"device-{len(self._sent)}.pyz"
            path = self._scratch / f"{self.spec.name}-{name}"
            with contextlib.ExitStack() as stack:
                stack.callback(path.unlink, missing_ok=True)
                pack_device(path, configuration_for(group.sut, group.workload, self._scratch, {}))
                self._put(name, path.read_bytes())
            self._sent[key] = name
        return self._sent[key]

    def _put(self, name: str, content: bytes) -> None:
        self._connection.request({"do": "put", "name": name, "bytes": len(content)}, content)

    def _try(self, port: int) -> None:
        """One request, because ssh notices only now that a board allows no tunnels."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TRY_S)
        token = self._token_file.read_text(encoding="ascii")
        try:
            connection.request("GET", "/v2/health/live", headers={"Authorization": f"Bearer {token}"})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            problem, cure = why(self._connection.stderr)
            raise SetupError(
                f"no tunnel to its server: {problem}", where=self._connection.where, cure=cure
            ) from None
        finally:
            connection.close()
        if status != 200:
            raise RunError(f"its server answered {status}", where=self._connection.where)

    def explained(self, failure: Failure) -> Failure:
        try:
            state = self._state()
        except (SetupError, RunError) as error:
            return failure.model_copy(update={"reason": f"{error}; {failure.reason}"})
        if not state.get("runs"):
            reason = f"the server on {self.spec.name} ended: {_ended(state.get('code'))}; {failure.reason}"
            failure = failure.model_copy(update={"reason": reason})
        tail = f"{failure.log_tail}\n{self.spec.name}: {self._log[-_TAIL:].strip()}" if self._log else None
        return failure if tail is None else failure.model_copy(update={"log_tail": tail.strip()})

    def collect(self, folder: Path) -> None:
        with contextlib.suppress(SetupError, RunError):
            self._state()
        if self._log:
            (folder / DEVICE_LOG).write_text(self._log, encoding="utf-8")
            self._log = ""

    def _state(self) -> Mapping[str, object]:
        state = self._connection.request({"do": "state"})
        self._log += str(state.get("log", ""))
        return state


def _ended(code: object) -> str:
    if isinstance(code, int) and code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    return f"exit status {code}"
