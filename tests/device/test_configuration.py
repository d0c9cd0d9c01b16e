"""What a device is configured with: checked before a model is loaded, by each way to give it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from qutiperf.adapters.base import Model
from qutiperf.device.configuration import (
    Configuration,
    check_configuration,
    loaded_adapters,
    read_configuration,
    to_json,
)
from qutiperf.errors import InputError, RunError
from tests.conftest import FAULTY, fails

MODEL = Model("", "x", "float32", (4,), "y")
GOOD = Configuration("simulated", MODEL)
SERVE = ["serve", "--sut", "cpu-onnxruntime", "--workload", "digits-mlp-12.5-fp32"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"streams": 0}, "streams: 0 is not a whole number from 1 to 1000"),
        ({"streams": 10**9}, "streams: 1000000000 is not a whole number from 1 to 1000"),
        ({"streams": True}, "streams: True is not a whole number from 1 to 1000"),
        ({"batch_size": "x"}, "batch_size: 'x' is not a whole number from 1 to 1000000"),
        ({"batch_size": 1.5}, "batch_size: 1.5 is not a whole number from 1 to 1000000"),
        ({"batch_size": [1, 2]}, "batch_size: [1, 2] is not a whole number from 1 to 1000000"),
        ({"port": 65536}, "port: 65536 is not a whole number from 0 to 65535"),
        ({"max_request_mb": float("nan")}, "max_request_mb: nan is not a number from 0.001 to 100000.0"),
        ({"max_request_mb": -1}, "max_request_mb: -1 is not a number from 0.001 to 100000.0"),
        ({"idle_timeout_s": "1"}, "idle_timeout_s: '1' is not a number from 0.1 to 1000000.0"),
        ({"max_connections": 0}, "max_connections: 0 is not a whole number from 1 to 10000"),
        ({"host": ""}, "host: is empty"),
        ({"model_name": 7}, "model_name: 7 is not text"),
        ({"token_file": "a\0b"}, "token_file: 'a\\x00b' is not text"),
        ({"options": [1]}, "options: is not an object of names and values"),
        ({"key": "key.pem"}, "key is given without certificate; TLS needs both; a PEM file"),
        ({"certificate": "cert.pem"}, "certificate is given without key; TLS needs both; a PEM file"),
    ],
)
def test_what_is_out_of_range_is_refused(changes: dict[str, object], message: str) -> None:
    changed = replace(GOOD, **changes)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(InputError) as direct:
        check_configuration(changed, "here")
    assert str(direct.value).startswith(f"here: {message}")
    with pytest.raises(InputError) as read:
        read_configuration(json.dumps(asdict(changed)), "here")
    assert str(read.value) == str(direct.value)


def test_a_file_that_is_nested_too_deeply() -> None:
    with pytest.raises(InputError, match="here: cannot be read: it is nested too deeply"):
        read_configuration("[" * 100_000, "here")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--set", "streams=0"], "--set: streams: 0 is not a whole number from 1 to 1000"),
        (["--set", "batch_size=x"], "--set: batch_size: 'x' is not a whole number from 1 to 1000000"),
        (["--set", "batch_size=1,2"], "--set: batch_size: [1, 2] is not a whole number from 1 to 1000000"),
        (["--key", "k.pem"], "flags: key is given without certificate"),
        (["--certificate", "c.pem"], "flags: certificate is given without key"),
        (["--host", ""], "flags: host: is empty"),
    ],
)
def test_serve_checks_its_flags(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in fails(capsys, [*SERVE, *flags], 2)


def test_what_is_packed_is_checked_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    packed = ["export", "--device", str(tmp_path / "d.pyz"), *SERVE[1:], "--set", "streams=0"]
    assert "--set: streams: 0 is not a whole number" in fails(capsys, packed, 2)
    assert not (tmp_path / "d.pyz").exists()


def test_an_adapter_that_raises_when_it_loads() -> None:
    broken = replace(GOOD, adapter=f"{FAULTY}:RaisesInLoad")
    with (
        pytest.raises(RunError, match="the adapter failed to load: RuntimeError: no such device: npu7"),
        loaded_adapters(broken),
    ):
        pytest.fail("it loaded")


def test_a_token_that_no_client_can_send(tmp_path: Path) -> None:
    from qutiperf.device.server import DeviceServer

    for content in ("", " \n", "two words", "a\nb", "caf\xe9"):
        (tmp_path / "token").write_text(content)
        made = replace(GOOD, port=0, token_file=str(tmp_path / "token"))
        with (
            loaded_adapters(made) as adapters,
            pytest.raises(InputError, match="token_file: must contain one word of printable ASCII"),
        ):
            DeviceServer(made, adapters)


def test_a_key_with_a_password_is_refused_without_asking_for_it(tmp_path: Path) -> None:
    from qutiperf.device.server import DeviceServer

    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-passout", "pass:secret", "-subj", "/CN=x"]
    files = ["-keyout", "key.pem", "-out", "cert.pem"]
    try:
        subprocess.run([*command, *files], cwd=tmp_path, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the openssl program to make a certificate")
    made = replace(GOOD, port=0, certificate=str(tmp_path / "cert.pem"), key=str(tmp_path / "key.pem"))
    with loaded_adapters(made) as adapters, pytest.raises(InputError, match="a key without a password"):
        DeviceServer(made, adapters)


@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGINT,
    ],
)
@pytest.mark.parametrize("way", ["qutiperf serve", "qutiperf-device"])
def test_a_signal_leaves_no_temporary_folder(way: str, number: signal.Signals, tmp_path: Path) -> None:
    temporary, configuration = tmp_path / "tmp", tmp_path / "device.json"
    temporary.mkdir()
    configuration.write_text(to_json(GOOD))
    program = {
        "qutiperf serve": ["qutiperf", *SERVE],
        "qutiperf-device": ["qutiperf.device", "--config", str(configuration)],
    }[way]
    command = [sys.executable, "-m", *program, "--port", "0"]
    with started(command, TMPDIR=str(temporary)) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("serving model at http://127.0.0.1:")
        assert len(list(temporary.glob("qutiperf-*"))) == 1
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert list(temporary.glob("qutiperf-*")) == []


@contextmanager
def started(command: list[str], **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that does not outlive the test."""
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_device_warns_on_standard_error() -> None:
    shape = json.dumps({"name": "x", "dtype": "float32", "shape": [4]})
    command = [sys.executable, "-m", "qutiperf.device", "--adapter", "simulated", "--input", shape]
    with started([*command, "--output", "y", "--port", "0", "--host", "0.0.0.0"]) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        process.terminate()
        _, errors = process.communicate(timeout=20)
    [line] = errors.splitlines()
    assert line.startswith(
        f"qutiperf-device: warning: every machine that reaches {url} can use it; give --tok"
    )
