"""The hosts file of the executor ssh, and which board gets which load."""

import os
from pathlib import Path

import pytest

from qutiperf.errors import InputError, SetupError
from qutiperf.executors.board_agent import GREETING
from qutiperf.executors.board_connection import BoardConnection
from qutiperf.executors.board_queue import BoardQueue
from qutiperf.executors.hosts_file import RackHost, read_hosts
from qutiperf.executors.rack_checks import check_same_kind
from qutiperf.executors.ssh_client import ssh_command, why
from qutiperf.host import REACHED_OVER, Facts, fingerprint
from tests.conftest import fails
from tests.run.test_repeats import planned

HEAD = "kind: hosts\nschema_version: 1\n"


def hosts_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rack.yaml"
    path.write_text(text)
    return path


def test_a_rack(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("")
    text = (
        f"{HEAD}hosts:\n- name: pi-1\n  address: fe80::1%eth0\n  user: pi\n  port: 2222\n  key: key\n"
        "  suts: [cpu-*, my-npu]\n  environment: {LD_LIBRARY_PATH: /opt/npu/lib}\n- name: pi-2\n"
    )
    first, second = read_hosts(hosts_file(tmp_path, text))
    assert (first.key, first.python, first.port) == (str(tmp_path / "key"), "python3", 2222)
    assert [first.runs(name) for name in ("cpu-openvino", "my-npu", "other")] == [True, True, False]
    assert second.runs("other")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: slurm\n", "kind: is not 'hosts'"),
        ("kind: hosts\nhosts: []\n", "schema_version: missing"),
        (f"{HEAD}hosts: []\n", "hosts: should not be empty"),
        (f"{HEAD}hosts: [{{name: a, adress: b}}]\n", "hosts.0.adress: unknown key; did you mean 'address'?"),
        (f"{HEAD}hosts: [{{name: a}}, {{name: a}}]\n", "the name 'a' appears twice"),
        (f"{HEAD}hosts: [{{name: ../a}}]\n", "hosts.0.name: should have up to 64"),
        (
            f"{HEAD}hosts: [{{name: a, address: -oProxyCommand=id}}]\n",
            "hosts.0.address: should be a host name",
        ),
        (f"{HEAD}hosts: [{{name: a, address: 'a b'}}]\n", "hosts.0.address: should be a host name"),
        (f"{HEAD}hosts: [{{name: a, user: -l}}]\n", "hosts.0.user: should be a user name"),
        (f"{HEAD}hosts: [{{name: a, port: 0}}]\n", "hosts.0.port: should be greater"),
        (f"{HEAD}hosts: [{{name: a, port: '22'}}]\n", "hosts.0.port: should be a valid integer"),
        (f"{HEAD}hosts: [{{name: a, suts: []}}]\n", "hosts.0.suts: should not be empty"),
        (f'{HEAD}hosts: [{{name: a, python: "a\\nb"}}]\n', "hosts.0.python: should be one line"),
        (f"{HEAD}hosts: [{{name: a, environment: {{'A=B': c}}}}]\n", "should be the name of an environment"),
        (f"{HEAD}hosts: [{{name: a, key: none}}]\n", "a: key: none: there is no such file"),
        ("- a\n", "is not a mapping"),
    ],
)
def test_a_wrong_hosts_file_is_one_line(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        read_hosts(hosts_file(tmp_path, text))
    assert problem in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path / "rack.yaml"))


def test_ssh_needs_hosts_and_takes_no_jobs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = fails(capsys, ["run", "quickstart", "--executor", "ssh"], 2)
    assert line == "qutiperf: --executor ssh: names no hosts; add --hosts FILE; see docs/executors.md"
    rack = hosts_file(tmp_path, f"{HEAD}hosts: [{{name: a}}]\n")
    line = fails(capsys, ["run", "quickstart", "--executor", "ssh", "--hosts", str(rack), "--jobs", "2"], 2)
    assert line.startswith("qutiperf: --jobs: has no effect with ssh")


def test_without_a_client_the_cure_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rack = hosts_file(tmp_path, f"{HEAD}hosts: [{{name: a}}]\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    line = fails(capsys, ["run", "quickstart", "--executor", "ssh", "--hosts", str(rack)], 3)
    assert line.startswith("qutiperf: --executor ssh: ssh is not installed; install OpenSSH's client")


def test_a_system_without_a_host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rack = hosts_file(tmp_path, f"{HEAD}hosts: [{{name: a, suts: [my-npu]}}]\n")
    line = fails(capsys, ["run", "quickstart", "--executor", "ssh", "--hosts", str(rack)], 2)
    assert line == f"qutiperf: {rack}: no host runs 'cpu-onnxruntime'; add it to the suts of a host"


def test_a_system_behind_a_network_is_not_measured_behind_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rack = hosts_file(tmp_path, f"{HEAD}hosts: [{{name: a}}]\n")
    command = ["run", "quickstart", "--set", "suts=open-inference", "--executor", "ssh", "--hosts", str(rack)]
    assert "open-inference: is behind a network itself" in fails(capsys, command, 2)


def test_boards_of_one_system_are_of_one_kind() -> None:
    small: Facts = {"machine": "aarch64", "cores": 4, REACHED_OVER: "ssh"}
    check_same_kind("npu", {"a": small, "b": {**small, "hostname": "b"}}, "rack.yaml")
    with pytest.raises(InputError, match="'a' and 'b' both run 'npu' but are not of one kind: cores 4 and 8"):
        check_same_kind("npu", {"a": small, "b": {**small, "cores": 8}}, "rack.yaml")


def test_a_board_over_ssh_is_not_the_board_itself() -> None:
    board: Facts = {"machine": "aarch64", "cores": 4}
    assert fingerprint(board) != fingerprint({**board, REACHED_OVER: "ssh"})


def test_paths_are_quoted_for_ssh(tmp_path: Path) -> None:
    spec = RackHost(name="a", address="::1", key="/a b/%h", known_hosts="/c d")
    words = ssh_command(spec, tmp_path / "s", master=True)
    assert 'IdentityFile="/a b/%%h"' in words
    assert 'UserKnownHostsFile="/c d"' in words
    assert words[-2:] == ["--", "::1"]
    assert {"BatchMode=yes", "StrictHostKeyChecking=yes", "ControlMaster=yes"} <= set(words)


def test_what_ssh_says_has_a_cure() -> None:
    assert why("banner\nme@a: Permission denied (publickey).\n")[0] == "it refuses the key"
    assert why("something new\n") == ("something new", "try it with ssh")


def test_a_load_stays_on_its_board_until_that_is_gone() -> None:
    _, groups = planned("deployment.streams=1,2", "modes=PerformanceOnly")
    assert len(groups) == 2
    one, two = (RackHost(name=name) for name in ("one", "two"))
    queue = BoardQueue()
    queue.add([*groups, *groups])
    first, other = queue.take(one), queue.take(two)
    assert first is not None
    assert other is not None
    assert (first.streams, other.streams) == (1, 2)
    again = queue.take(one)
    assert again is not None
    assert again.streams == 1
    assert queue.take(one) is None  # the other load is the other board's
    queue.lose(two, other)
    assert [each.streams for each in (queue.take(one), queue.take(one)) if each] == [2, 2]
    assert queue.waiting == []


def test_without_labgrid_the_cure_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ssh").write_text("#!/bin/sh\n")
    (tmp_path / "ssh").chmod(0o755)
    (tmp_path / "rack.yaml").write_text(f"{HEAD}hosts: [{{name: a, place: b}}]\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    command = ["run", "quickstart", "--executor", "ssh"]
    line = fails(capsys, [*command, "--hosts", str(tmp_path / "rack.yaml")], 3)
    assert line.startswith("qutiperf: --executor ssh: labgrid-client is not installed; pip install")


@pytest.mark.parametrize(
    "first_line",
    ["no JSON", "[]", '{"facts": 3}', '{"facts": {"cores": [1]}}', '{"facts": {"cores": {}}}', "[" * 100_000],
)
def test_a_board_that_answers_nonsense_is_one_line(first_line: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="host a: its agent does not say what the board is like"):
        pretend_board(tmp_path, first_line)


def test_facts_of_a_board_are_plain_and_printable(tmp_path: Path) -> None:
    facts = '{"facts": {"hostname": "a\\u001b[2J", "cores": 4, "memory_gb": 1e400, "machine": null, "x": 1}}'
    board = pretend_board(tmp_path, facts)
    assert board.facts == {"hostname": "a\\x1b[2J", "cores": 4, "machine": None}
    board.close()


def pretend_board(tmp_path: Path, first_line: str) -> BoardConnection:
    """The connection to a program in the place of ssh, which prints one line and waits."""
    (tmp_path / "line").write_text(f"motd\n{GREETING}{first_line}\n")
    program = tmp_path / "ssh"
    program.write_text(f"#!/bin/sh\ncat '{tmp_path}/line'\nexec cat > /dev/null\n")
    program.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return BoardConnection(RackHost(name="a"), tmp_path / "0.s", lambda: None)
