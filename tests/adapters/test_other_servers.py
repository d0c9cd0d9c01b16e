"""The device file under an old Python, and a server of somebody else: environments of their own."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from qutiperf.adapters.base import Model
from qutiperf.adapters.open_inference import OpenInference, Options
from qutiperf.cli import main
from qutiperf.errors import QutiperfError, RunError
from qutiperf.spec import catalog
from tests.conftest import SutFile

pytestmark = pytest.mark.slow
DIGITS = Model(
    str(catalog.root() / "scenarios/workloads/models/digits-mlp-12.5-fp32.onnx"),
    "image",
    "float32",
    (1, 8, 8),
    "scores",
)
IMAGES = np.linspace(0, 1, 3 * 64, dtype=np.float32).reshape(3, 1, 8, 8)
RUNTIME = '''
import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse, MetadataModelResponse, MetadataTensor


class Sums(MLModel):
    """Answers the sum of each row of the image."""

    async def metadata(self):
        tensor = lambda name, shape: [MetadataTensor(name=name, datatype="FP32", shape=shape)]
        sides = {"inputs": tensor("image", [-1, 1, 8, 8]), "outputs": tensor("scores", [-1, 8])}
        return MetadataModelResponse(name=self.name, platform="numpy", **sides)

    async def predict(self, request):
        batch = NumpyCodec.decode_input(request.inputs[0])
        sums = batch.reshape(len(batch), 8, 8).sum(axis=2, dtype=np.float32)
        scores = NumpyCodec.encode_output("scores", sums)
        return InferenceResponse(id=request.id, model_name=self.name, outputs=[scores])
'''


def old_python() -> str | None:
    """A Python 3.9 or 3.10 on this machine, on the path or under pyenv."""
    pyenv = sorted((Path.home() / ".pyenv/versions").glob("3.9.*/bin/python3"))
    pyenv += sorted((Path.home() / ".pyenv/versions").glob("3.10.*/bin/python3"))
    for candidate in ("python3.9", "python3.10", *map(str, pyenv)):
        try:
            done = subprocess.run([candidate, "-c", "import venv"], capture_output=True, check=False)
        except OSError:
            continue
        if done.returncode == 0:
            return candidate
    return None


def environment(folder: Path, python: str, *packages: str) -> Path:
    """A virtual environment with the packages; gives its bin folder."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *packages], check=True)
    return folder / "bin"


def loaded(url: str, **options: object) -> OpenInference:
    """Tries until the server is there, for at most a minute."""
    deadline = time.monotonic() + 60
    while True:
        adapter = OpenInference()
        try:
            adapter.load(DIGITS, Options(url=url, **options))  # type: ignore[arg-type]  # options by name
        except QutiperfError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return adapter


def test_the_device_file_under_an_old_python(tmp_path: Path, sut_file: SutFile) -> None:
    """Nothing but numpy beside the standard library."""
    python = old_python()
    if python is None:
        pytest.skip("needs a Python 3.9 or 3.10 on the path or under ~/.pyenv")
    folder = environment(tmp_path / "venv", python, "numpy")
    packed = tmp_path / "qutiperf-device.pyz"
    sut = sut_file("simulated", extra="options: {latency_us: 200.0}\n")
    what = ["--sut", str(sut), "--workload", "digits-mlp-12.5-fp32", "--set", "streams=2"]
    assert main(["export", "--device", str(packed), *what], debug=False) == 0
    process = subprocess.Popen(
        [str(folder / "python"), "-W", "error", str(packed), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        far = loaded(process.stdout.readline().split()[-1])
        outputs, compute_ns = far.infer(IMAGES)
        assert (outputs.shape, compute_ns) == ((3, 10), 200_000)
        assert [int(scores.argmax()) for scores in outputs] == [
            int(s) % 10 for s in IMAGES.sum(axis=(1, 2, 3))
        ]
        far.close()
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_mlserver(tmp_path: Path) -> None:
    """Speaks JSON tensors only, and says so."""
    folder = environment(tmp_path / "venv", sys.executable, "mlserver==1.7.1")
    port = free_port()
    (tmp_path / "sums.py").write_text(RUNTIME)
    (tmp_path / "model-settings.json").write_text('{"name": "sums", "implementation": "sums.Sums"}')
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    (tmp_path / "settings.json").write_text(json.dumps({**ports, "host": "127.0.0.1", "parallel_workers": 0}))
    server = subprocess.Popen(
        [str(folder / "mlserver"), "start", "."],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        far = loaded(url, model_name="sums", binary=False)
        assert far.describe()["server"] == "mlserver 1.7.1"
        assert set(far.figures()) == {"retries", "reconnections", "link_round_trip_us"}
        for _ in range(3):
            outputs, compute_ns = far.infer(IMAGES)
            assert compute_ns is None
            assert abs(outputs.astype(float) - IMAGES.reshape(3, 8, 8).sum(axis=2)).max() < 1e-5
        far.close()
        binary = loaded(url, model_name="sums")
        with pytest.raises(
            RunError, match=r"answered 500: .*it does not announce binary tensors: set binary to false"
        ):
            binary.infer(IMAGES)
        binary.close()
    finally:
        server.terminate()
        server.wait(timeout=30)
