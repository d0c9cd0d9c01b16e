"""Devices over the network: two processes, real sockets, and servers that misbehave."""

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest

from qutiperf.adapters.base import Model
from qutiperf.adapters.open_inference import OpenInference, Options
from qutiperf.cli import main
from qutiperf.device.configuration import Configuration, to_json
from qutiperf.errors import InputError, QutiperfError, RunError, SetupError
from qutiperf.harness.network_fields import network_fields
from qutiperf.results.store import Store
from qutiperf.spec import catalog
from tests.conftest import SutFile
from tests.fault_server import faulty

ONNX = str(catalog.root() / "scenarios/workloads/models/digits-mlp-12.5-fp32.onnx")
DIGITS = Model(ONNX, "image", "float32", (1, 8, 8), "scores")
ONES = np.ones((3, 1, 8, 8), np.float32)


class Served:
    """A device server in a process of its own."""

    def __init__(
        self, *flags: str, command: tuple[str, ...] = (sys.executable, "-m", "qutiperf.device")
    ) -> None:
        self.process = subprocess.Popen(
            [*command, "--port", "0", *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        self.url = self.line.split()[-1] if self.line else ""

    def close(self) -> None:
        self.process.terminate()
        _, errors = self.process.communicate(timeout=20)
        assert (self.process.returncode, errors) == (0, "")


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("device") / "device.json"
    path.write_text(to_json(Configuration("onnxruntime", DIGITS, streams=2, batch_size=16, max_request_mb=1)))
    served = Served("--config", str(path))
    yield served
    served.close()


_LOADED: list[OpenInference] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while _LOADED:
        _LOADED.pop().close()


def loaded(url: str, model: Model = DIGITS, **options: object) -> OpenInference:
    adapter = OpenInference()
    adapter.load(model, Options(url=url, **options))  # type: ignore[arg-type]  # options by name
    _LOADED.append(adapter)
    return adapter


def test_it_answers_as_the_device_does_alone(device: Served) -> None:
    from qutiperf.adapters.onnxruntime import OnnxRuntime
    from qutiperf.adapters.onnxruntime import Options as Local

    local = OnnxRuntime()
    local.load(DIGITS, Local())
    for binary in (True, False):
        far = loaded(device.url, binary=binary)
        far.tune(16)
        for rows in (1, 5, 16):
            batch = np.linspace(0, 1, rows * 64, dtype=np.float32).reshape(rows, 1, 8, 8)
            started = time.perf_counter_ns()
            outputs, compute_ns = far.infer(batch)
            wall_ns = time.perf_counter_ns() - started
            assert abs(outputs.astype(float) - local.infer(batch)[0].astype(float)).max() < 1e-5
            assert compute_ns is not None
            assert 0 < compute_ns < wall_ns
        far.close()


def test_what_it_tells_of_itself(device: Served) -> None:
    far = loaded(device.url)
    described, figures = far.describe(), far.figures()
    assert described["protocol"] == "Open Inference Protocol (KServe v2) over HTTP/1.1"
    assert described["server"].startswith("qutiperf ")
    assert (described["far_streams"], described["far_compute_clock"]) == ("2", "host_wall")
    assert described["far_providers"] == "CPUExecutionProvider"
    assert (figures["retries"], figures["reconnections"]) == (0, 0)
    assert figures["link_round_trip_us"] > 0
    assert figures["link_up_mb_per_s"] > 0
    assert figures["link_down_mb_per_s"] > 0


def test_the_fields_of_the_network_division() -> None:
    adapter = {"protocol": "Open Inference Protocol", "server": "triton 2.5"}
    found = network_fields({"network_media": "copper", "accelerator_model_name": "x"}, adapter, 4)
    assert found.pop("net_software_stack_loadgen").startswith("Python 3.")
    assert found == {
        "is_network": "true",
        "network_media": "copper",
        "network_protocol": "Open Inference Protocol",
        "number_connections": "4",
        "net_software_stack_sut": "triton 2.5",
    }


@pytest.mark.slow
def test_a_run_over_the_network(device: Served, sut_file: SutFile, tmp_path: Path) -> None:
    sut = sut_file(
        "open_inference",
        extra=f"options: {{url: '{device.url}'}}\ndescription: {{network_media: copper}}\n",
    )
    sweep = ["run", "quickstart", "--set", f"suts={sut}", "--set", "workloads=digits-mlp-12.5-fp32"]
    short = [
        "--set",
        "deployment.batch_size=8",
        "--set",
        "settings.min_duration_s=0.2",
        "--set",
        "scenarios=Offline",
    ]
    out = tmp_path / "out"
    assert main([*sweep, *short, "--set", "deployment.streams=2", "--out", str(out)], debug=False) == 0
    records = list(Store.open(out).records())
    assert len(records) == 2
    for record in records:
        observed = record.observed
        assert observed is not None
        assert record.valid
        assert observed.over_network
        assert observed.network_fields["network_media"] == "copper"
        assert observed.network_fields["number_connections"] == "2"
        assert observed.adapter_figures["retries"] == 0
        assert observed.adapter_figures["link_round_trip_us"] > 0
    assert [record.figures.top1_percent for record in records if record.figures.top1_percent] == [98.2]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"input_name": "x"}, InputError, r"its inputs are \['image'\], not \['x'\]"),
        ({"output_name": "x"}, InputError, r"it has no output 'x', but \['scores'\]"),
        ({"input_dtype": "uint8"}, InputError, "its input is FP32, not uint8"),
        ({"input_shape": (8, 8, 1)}, InputError, r"its samples are \[1, 8, 8\], not \[8, 8, 1\]"),
    ],
)
def test_another_model(
    change: dict[str, object], error: type[QutiperfError], message: str, device: Served
) -> None:
    with pytest.raises(error, match=message):
        loaded(device.url, Model(**{**vars(DIGITS), **change}))


def test_a_model_that_is_not_there(device: Served) -> None:
    with pytest.raises(
        InputError, match=r"no model 'other' is ready: 404 no model 'other', only 'model'; it has"
    ):
        loaded(device.url, model_name="other")
    with pytest.raises(InputError, match="no version '2', only '1'"):
        loaded(device.url, model_version="2")


def test_batches_and_requests_have_limits(device: Served) -> None:
    far = loaded(device.url)
    with pytest.raises(
        InputError, match="the largest batch size is 16, not 17; serve it with --batch-size 17"
    ):
        far.tune(17)
    with pytest.raises(
        RunError, match=r"answered 400: input 'image' is \[17, 1, 8, 8\], not \[1 to 16, 1, 8, 8\]"
    ):
        far.infer(np.zeros((17, 1, 8, 8), np.float32))
    assert far.infer(ONES)[0].shape == (3, 10)
    small = loaded(device.url, max_request_mb=0.01)
    with pytest.raises(RunError, match=r"a batch of 64 is a request of 0.0165 MB; raise max_request_mb"):
        small.infer(np.zeros((64, 1, 8, 8), np.float32))
    with pytest.raises(RunError, match=r"answered 413: the request has \d+ bytes, the limit is 1000000"):
        far.infer(np.zeros((4000, 1, 8, 8), np.float32))


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "reason"),
    [
        ("GET", "/", {}, 404, "there is nothing at /"),
        ("GET", "/v2/models/model/infer", {}, 405, "infer needs a POST"),
        (
            "POST",
            "/v2/models/model/infer",
            {"Transfer-Encoding": "chunked"},
            411,
            "a request needs a Content",
        ),
        ("POST", "/v2/models/model/infer", {"Content-Length": "2"}, 400, "it has no inputs"),
        ("POST", "/v2/models/model", {"Content-Length": "2"}, 405, "needs a GET"),
        (
            "POST",
            "/v2/qutiperf/link",
            {"Content-Length": "2", "X-Answer-Bytes": "9999999"},
            400,
            "X-Answer-Bytes: 9999999 is above 1000000",
        ),
    ],
)
def test_requests_that_the_device_refuses(
    method: str, path: str, headers: dict[str, str], status: int, reason: str, device: Served
) -> None:
    connection = HTTPConnection(device.url.removeprefix("http://"), timeout=5)
    connection.putrequest(method, path)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(b"{}" if "Content-Length" in headers else None)
    answer = connection.getresponse()
    assert answer.status == status
    assert reason in json.loads(answer.read())["error"]
    connection.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("dies", "connection lost"),
        ("stalls", r"no answer within 0.5 s \(timeout_s\)"),
        ("wrong_order", "it answered request '17', not '2'"),
        ("wrong_shape", r"it answered \[4, 10\] for 3 samples"),
        ("wrong_name", r"it answered \['sc0res'\], not 'scores'"),
        ("garbage", "its answer is not HTTP: .*not http at all"),
        ("no_tensors", "its answer violates the protocol: it has no outputs"),
        ("cut_tensor", "its answer violates the protocol: tensor 'scores': 120 bytes"),
        ("html", "its answer violates the protocol: it is not JSON: '<html>"),
        ("error", "answered 500: out of memory"),
    ],
)
def test_a_server_that_misbehaves(fault: str, message: str) -> None:
    with faulty(fault) as server:
        far = loaded(server.url, timeout_s=0.5)
        assert far.infer(ONES)[1] is None
        with pytest.raises(RunError, match=message):
            far.infer(ONES)
        assert server.requests == 2


def test_a_second_answer_is_not_taken_for_the_next() -> None:
    """Together with the first one it is dropped, after it it is an error; each answer has its own id."""
    with faulty("twice") as server:
        far = loaded(server.url, timeout_s=2)
        for _ in range(3):
            far.infer(ONES)
    with faulty("twice_late") as server:
        far = loaded(server.url, timeout_s=2)
        far.infer(ONES)
        far.infer(ONES)
        wait_for_bytes(far)
        with pytest.raises(RunError, match="bytes follow its last answer"):
            far.infer(ONES)


def wait_for_bytes(far: OpenInference) -> None:
    kept = far._connection._open
    assert kept is not None
    assert select.select([kept.sock], [], [], 10)[0] == [kept.sock]


def test_a_late_answer_is_not_taken_for_the_next() -> None:
    with faulty("stalls") as server:
        far = loaded(server.url, timeout_s=0.2)
        far.infer(ONES)
        with pytest.raises(RunError, match="no answer within"):
            far.infer(ONES)
        assert not far._connection.is_open


def test_retries_are_counted() -> None:
    with faulty("dies_once") as server:
        far = loaded(server.url, retries=2)
        for _ in range(3):
            far.infer(ONES)
        assert (far.figures()["retries"], far.figures()["reconnections"]) == (1, 1)
        assert server.requests == 4
        far.tune(3)
        assert far.figures()["retries"] == 0


def test_nothing_there_and_something_else_there(tmp_path: Path) -> None:
    with pytest.raises(
        SetupError, match=r"http://127.0.0.1:9: unreachable: .*refused; is the server started there"
    ):
        loaded("http://127.0.0.1:9")
    web = subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert web.stdout is not None
    url = web.stdout.readline().split("(")[1].split(")")[0].rstrip("/")
    try:
        with pytest.raises(SetupError, match=r"not the Open Inference Protocol: /v2 answered 404, text/html"):
            loaded(url)
        with pytest.raises(SetupError, match=r"no TLS: .*; does it speak plain http://"):
            loaded(url.replace("http:", "https:"))
    finally:
        web.kill()
        web.communicate()


def test_a_token_is_required(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    (tmp_path / "wrong").write_text("guess\n")
    (tmp_path / "device.json").write_text(to_json(Configuration("simulated", DIGITS)))
    served = Served("--config", str(tmp_path / "device.json"), "--token-file", str(tmp_path / "token"))
    try:
        far = loaded(served.url, token_file=str(tmp_path / "token"))
        assert far.infer(ONES)[1] is not None
        assert "s3cret" not in str(far.describe())
        for wrong in ("", str(tmp_path / "wrong")):
            with pytest.raises(SetupError, match=r"refused \(401\): the bearer token is missing or wrong"):
                loaded(served.url, token_file=wrong)
        with pytest.raises(InputError, match="token_file"):
            loaded(served.url, token_file=str(tmp_path / "none"))
    finally:
        served.close()


@pytest.mark.slow
def test_tls(tmp_path: Path) -> None:
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    made = subprocess.run([*command, *names], cwd=tmp_path, capture_output=True, check=False)
    if made.returncode:
        pytest.skip("needs the openssl program to make a certificate")
    (tmp_path / "device.json").write_text(to_json(Configuration("simulated", DIGITS)))
    pem = ["--certificate", str(tmp_path / "cert.pem"), "--key", str(tmp_path / "key.pem")]
    served = Served("--config", str(tmp_path / "device.json"), *pem)
    try:
        assert served.url.startswith("https://")
        far = loaded(served.url, ca_file=str(tmp_path / "cert.pem"))
        for _ in range(3):
            assert far.infer(ONES)[0].shape == (3, 10)
        with pytest.raises(SetupError, match=r"its certificate is not trusted: .*; set options.ca_file"):
            loaded(served.url)
        with pytest.raises(RunError, match=r"connection lost|not HTTP"):
            loaded(served.url.replace("https", "http"))
    finally:
        served.close()


@pytest.mark.slow
def test_the_one_file_is_the_same_each_time(tmp_path: Path) -> None:
    what = ["--sut", "examples/my_adapter", "--workload", "digits-mlp-12.5-fp32"]
    for name in ("a.pyz", "b.pyz"):
        assert main(["export", "--device", str(tmp_path / name), *what], debug=False) == 0
    assert (tmp_path / "a.pyz").read_bytes() == (tmp_path / "b.pyz").read_bytes()
    served = Served(command=(sys.executable, "-P", str(tmp_path / "a.pyz")))
    try:
        outputs, _ = loaded(served.url).infer(ONES)
        assert outputs.shape == (3, 10)
    finally:
        served.close()
