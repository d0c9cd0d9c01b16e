"""The executor `ssh`: models run on boards, LoadGen here, and requests go through ssh.

Each board has a connection, and a thread that measures one group after the other on it. Observers are called
in the main thread alone.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, sleep

from qutiperf import host
from qutiperf.adapters.registry import adapter_class
from qutiperf.errors import InputError, SetupError, UnreachableError
from qutiperf.executors.board import OVER, Board, board_facts
from qutiperf.executors.board_connection import BoardConnection
from qutiperf.executors.control_folder import control_folder
from qutiperf.executors.hosts_file import RackHost
from qutiperf.executors.labgrid_place import acquired_places, power_cycle, require_labgrid
from qutiperf.executors.rack import BoardRunner, Rack, Relay
from qutiperf.executors.rack_checks import check_before, check_mode, check_same_kind, powers_of
from qutiperf.executors.ssh_client import require_ssh
from qutiperf.results.store import Store
from qutiperf.run import operating_mode
from qutiperf.run.child import Nursery
from qutiperf.run.executor import Measuring, SweepWork, WorkObserver, tax_here
from qutiperf.run.metering import Metering
from qutiperf.run.possible import Devices
from qutiperf.run.preparation import prepare_samples
from qutiperf.run.runner import Runner
from qutiperf.run.sample_source import cache_of
from qutiperf.spec.sut import SystemUnderTest

_MOST_CONNECTING = 32
_BOOT_LOOK_S = 1.0


class SshExecutor:
    """Measures on `hosts`; `where` is their file, `note` prints a line."""

    parallel = True

    def __init__(self, hosts: Sequence[RackHost], where: str, note: Callable[[str], None]) -> None:
        require_ssh()
        self._hosts, self._where, self._note = hosts, where, note

    def machine(self, _folder: Path) -> host.Facts:
        return host.facts()

    def devices(self, suts: Sequence[SystemUnderTest]) -> Devices:
        """Connects to each board that may be needed; raises InputError if boards of a system differ."""
        able = {sut.name: self._able(sut) for sut in suts}
        used = [spec for spec in self._hosts if any(spec in each for each in able.values())]
        require_labgrid(used)
        with acquired_places(used, self._note), control_folder() as folder:
            connections = _connected(used, folder, _go_on, cycle=False)
            facts = {spec.name: board_facts(spec, each.facts) for spec, each in connections}
            _close([each for _, each in connections])
        for name, specs in able.items():
            check_same_kind(name, {spec.name: facts[spec.name] for spec in specs}, self._where)
        return {name: facts[specs[0].name] for name, specs in able.items()}

    def _able(self, sut: SystemUnderTest) -> list[RackHost]:
        if adapter_class(sut.adapter).over_network:
            cure = "measure it with the local executor, or name the system behind it"
            raise InputError("is behind a network itself", where=sut.name, cure=cure)
        specs = [spec for spec in self._hosts if spec.runs(sut.name)]
        if not specs:
            cure = "add it to the suts of a host"
            raise InputError(f"no host runs '{sut.name}'", where=self._where, cure=cure)
        return specs

    @contextmanager
    def open(self, work: SweepWork, store: Store, observer: WorkObserver) -> Iterator[Measuring]:
        suts = {group.sut.name: group.sut for group in work.groups}
        able = {name: self._able(sut) for name, sut in suts.items()}
        powers = powers_of(suts, able, self._where)
        for group in work.groups:
            check_mode(group)
            check_before(group)
        for line in operating_mode.undo_left_on():
            observer.note(line)
        if (cache := cache_of(work.sample_cache)) is not None:
            cache.clean()
        scratch = store.stage()
        with ExitStack() as stack:
            stack.callback(store.discard, scratch)
            folder = stack.enter_context(control_folder())
            token = folder / "token"
            token.write_text(secrets.token_hex(32), encoding="ascii")
            used = [spec for spec in self._hosts if any(spec in each for each in able.values())]
            rack = Rack(observer)
            require_labgrid(used)
            stack.enter_context(acquired_places(used, observer.note))
            connections = _connected(used, folder, rack.check, cycle=True)
            stack.callback(_close, [each for _, each in connections])
            for _, connection in connections:
                connection.request({"do": "claim"})
            nursery = stack.enter_context(Nursery())
            kept = prepare_samples(work.groups, store, nursery, observer) if work.groups else frozenset()
            tax = tax_here(work.machine, store, nursery, observer) if work.groups else None
            for spec, connection in connections:
                board = Board(spec, connection, scratch, token, powers.get(spec.name))
                relay = Relay(rack, board)
                runner = _runner(board, relay, work, store, stack, scratch)
                runner.kept_samples, runner.tax = kept, tax
                rack.boards.append(BoardRunner(board, runner, relay))
            try:
                yield rack
            finally:
                rack.end()


def _go_on() -> None:
    return


def _connected(
    specs: Sequence[RackHost], folder: Path, check: Callable[[], None], *, cycle: bool
) -> list[tuple[RackHost, BoardConnection]]:
    """Connections to all boards at once; raises the error of the first that fails, with none left open.

    With `cycle`, boards with a place are power-cycled before; without, only those that do not answer.
    """
    with ThreadPoolExecutor(_MOST_CONNECTING) as pool:
        attempts = [
            pool.submit(_connect, spec, folder / f"{number}.s", check, cycle=cycle)
            for number, spec in enumerate(specs)
        ]
    errors = [error for attempt in attempts if (error := attempt.exception()) is not None]
    if errors:
        _close([attempt.result() for attempt in attempts if attempt.exception() is None])
        raise errors[0]
    return [(spec, attempt.result()) for spec, attempt in zip(specs, attempts, strict=True)]


def _connect(spec: RackHost, control: Path, check: Callable[[], None], *, cycle: bool) -> BoardConnection:
    """Waits for a board that is switched on here, for `boot_s` at most."""
    switched = spec.place is not None and spec.power_cycle
    try:
        if not (switched and cycle):
            return BoardConnection(spec, control, check)
    except UnreachableError:
        if not switched:
            raise
    power_cycle(spec)
    limit = monotonic() + spec.boot_s
    while True:
        try:
            return BoardConnection(spec, control, check)
        except UnreachableError as error:
            if monotonic() > limit:
                what = f"{error.what}, {spec.boot_s:g} s after it was switched on"
                raise SetupError(what, where=error.where, cure="check it, or raise boot_s") from None
            sleep(_BOOT_LOOK_S)


def _close(connections: Sequence[BoardConnection]) -> None:
    with ThreadPoolExecutor(_MOST_CONNECTING) as pool:
        list(pool.map(BoardConnection.close, connections))


def _runner(
    board: Board, relay: Relay, work: SweepWork, store: Store, stack: ExitStack, scratch: Path
) -> Runner:
    folder = scratch / f"{OVER}-{board.spec.name}"
    folder.mkdir()
    metering = Metering(folder, relay.note)
    stack.callback(metering.close)
    systems = {group.sut.name: group.sut for group in work.groups if board.spec.runs(group.sut.name)}
    metering.check([board.network_system(sut) for sut in systems.values()])
    return Runner(
        store,
        relay,
        board.facts,
        stack.enter_context(Nursery()),
        work.audit_config,
        metering,
        keep_answers=work.keep_answers,
        model_host=board,
        loadgen_machine=work.machine,
    )
