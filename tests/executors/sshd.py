"""A real sshd on loopback with temporary keys: one machine as a rack of boards."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from time import monotonic, sleep

import psutil

_START_LIMIT_S = 20.0


def missing_program() -> str | None:
    """The first program that is not installed."""
    return next((name for name in ("sshd", "ssh", "ssh-keygen") if _path(name) is None), None)


def _path(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@dataclass
class Sshd:
    """A server that can be switched off and on, and the files with which a client reaches it."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def key(self) -> Path:
        return self.folder / "user_key"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def host(self, name: str, **more: object) -> dict[str, object]:
        """An entry of a hosts file."""
        return {
            "name": name,
            "address": "127.0.0.1",
            "port": self.port,
            "key": str(self.key),
            "known_hosts": str(self.known_hosts),
            **more,
        }

    def start(self) -> None:
        command = [str(_path("sshd")), "-D", "-e", "-f", str(self.folder / "sshd_config")]
        with (self.folder / "sshd.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stderr=log, start_new_session=True
            )
        limit = monotonic() + _START_LIMIT_S
        while monotonic() < limit and self.process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            sleep(0.05)
        raise AssertionError(f"sshd does not start: {(self.folder / 'sshd.log').read_text()}")

    def send_to_sessions(self, number: signal.Signals) -> None:
        """SIGKILL ends its connections; SIGSTOP is like a network that is cut without a word."""
        if self.process is not None:
            for child in psutil.Process(self.process.pid).children(recursive=False):
                with suppress(psutil.Error):
                    child.send_signal(number)

    def stop(self) -> None:
        """As if the board were switched off."""
        process, self.process = self.process, None
        if process is None:
            return
        with suppress(psutil.Error):
            for child in psutil.Process(process.pid).children(recursive=True):
                with suppress(psutil.Error):
                    child.kill()
        process.kill()
        process.wait()


def _key(path: Path) -> str:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)], check=True, timeout=60
    )
    return (
        path.with_suffix(".pub").read_text().strip()
        if path.suffix
        else Path(f"{path}.pub").read_text().strip()
    )


@contextmanager
def running_sshd(folder: Path, options: Sequence[str] = ()) -> Iterator[Sshd]:
    """Starts it with strict modes off, because the temporary folder belongs to nobody's home."""
    host_key, user_key = _key(folder / "host_key"), _key(folder / "user_key")
    (folder / "authorized_keys").write_text(f"{user_key}\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {' '.join(host_key.split()[:2])}\n")
    settings = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder}/host_key",
        f"AuthorizedKeysFile {folder}/authorized_keys",
        f"PidFile {folder}/sshd.pid",
        f"AllowUsers {getuser()}",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "UsePAM no",
        "StrictModes no",
        "PermitRootLogin prohibit-password",
        "PrintMotd no",
        "MaxStartups 100:30:200",
        "MaxSessions 100",
        *options,
    ]
    (folder / "sshd_config").write_text("\n".join(settings) + "\n")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd separates privileges, as root
    server = Sshd(folder, port)
    server.start()
    try:
        yield server
    finally:
        server.stop()
