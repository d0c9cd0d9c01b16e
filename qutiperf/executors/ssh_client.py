"""The system's OpenSSH client: how a board is reached, and what its messages mean.

One connection per board, whose first session runs the board's agent; tunnels and commands share it. Host keys
are always checked, and no password or passphrase is asked for.
"""

import shlex
import shutil
from pathlib import Path

from qutiperf.errors import SetupError
from qutiperf.executors.hosts_file import RackHost
from qutiperf.printable import bounded

SSH = "ssh"
FAILED = 255  # ssh's own exit status
_OPTIONS = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "UpdateHostKeys": "no",
    "PermitLocalCommand": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "EscapeChar": "none",
    "Compression": "no",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "ClearAllForwardings": "yes",
    "ConnectTimeout": "10",
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "ControlPersist": "no",
    "LogLevel": "INFO",
}
# What ssh says, what it means, and the cure; the first that matches.
_MEANINGS = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its host key is not the one in known_hosts",
        "find out why it changed; `ssh-keygen -R ADDRESS` forgets the old one",
    ),
    (
        "host key is known for",
        "its host key is not known",
        "connect once with ssh and check the key, or add it to known_hosts",
    ),
    (
        "Host key verification failed",
        "its host key is not accepted",
        "connect once with ssh and check the key",
    ),
    ("Permission denied", "it refuses the key", "`ssh-copy-id`, or name user and key in the hosts file"),
    ("Too many authentication failures", "it refuses the keys", "name key in the hosts file"),
    ("UNPROTECTED PRIVATE KEY", "the key's file can be read by others", "chmod 600 its file"),
    ("Could not resolve hostname", "its address is not known", "check address in the hosts file"),
    (
        "Connection refused",
        "nothing listens at its ssh port",
        "is it switched on, and sshd running? check port",
    ),
    ("timed out", "it does not answer", "is it switched on and in this network?"),
    ("No route to host", "there is no way to it", "is it switched on and in this network?"),
    ("Network is unreachable", "there is no way to it", "is this machine in its network?"),
    ("administratively prohibited", "it allows no tunnel", "AllowTcpForwarding local in its sshd_config"),
)


def require_ssh() -> None:
    """Raises SetupError if OpenSSH's client is not installed."""
    if shutil.which(SSH) is None:
        cure = "install OpenSSH's client: apt install openssh-client"
        raise SetupError("ssh is not installed", where="--executor ssh", cure=cure)


def ssh_command(spec: RackHost, control: Path, *words: str, master: bool = False) -> list[str]:
    """The command line; `words` are options of ssh. Without `master` it uses the connection at `control`.

    Where there is no connection at `control`, it makes one of its own.
    """
    options = dict(_OPTIONS) | {"ControlMaster": "yes" if master else "no", "ControlPath": str(control)}
    if "-O" in words:
        del options["ClearAllForwardings"]  # it would clear the tunnel that is asked for
    if spec.port is not None:
        options["Port"] = str(spec.port)
    if spec.user is not None:
        options["User"] = spec.user
    if spec.key is not None:
        options |= {"IdentityFile": _path(spec.key), "IdentitiesOnly": "yes"}
    if spec.known_hosts is not None:
        options["UserKnownHostsFile"] = _path(spec.known_hosts)
        options["GlobalKnownHostsFile"] = "none"
    listed = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return [SSH, "-T", *listed, *words, "--", spec.address or spec.name]


def remote_command(spec: RackHost, control: Path, argv: list[str]) -> list[str]:
    """The command line that runs `argv` on the board."""
    return [*ssh_command(spec, control), shlex.join(argv)]


def _path(text: str) -> str:
    """A path as the value of an option: in quotes, without ssh's own variables."""
    return '"' + text.replace("%", "%%") + '"'


_DOWN = (
    *("Connection refused", "timed out", "No route to host", "Network is unreachable", "Connection reset"),
    *("Connection closed", "closed by remote host"),
)


def is_down(stderr: str) -> bool:
    """Whether the board may just not have started yet."""
    return any(words in stderr for words in _DOWN) and "Permission denied" not in stderr


def why(stderr: str) -> tuple[str, str]:
    """What went wrong according to ssh, and the cure."""
    for words, problem, cure in _MEANINGS:
        if words in stderr:
            return problem, cure
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return (bounded(lines[-1]) if lines else "the connection was closed"), "try it with ssh"
