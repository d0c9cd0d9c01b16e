"""Informational lines of a log are never a cause."""

import pytest

from qutiperf.explain.log_tail import telling_lines

INFORMATIONAL = [
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
    "[INFO] loading model",
    "debug: 3 tensors",
    "VERBOSE: Replacing 12 out of 12 node(s)",
    "I0000 00:00:1731000000.123456   12 delegate.cc:42] created",
    "2026-01-01 12:00:00.123456: I tensorflow/core/platform/cpu_feature_guard.cc:210] This is optimised",
    "2026-01-01 12:00:00,123 - adapter.device - INFO - ready",
    "2026-01-01 12:00:00.123 [I:onnxruntime:, inference_session.cc:533] Initialising session",
    "[I:onnxruntime:, inference_session.cc:533] Initialising session",
]
TELLING = [
    "RuntimeError: out of memory",
    "Segmentation fault",
    "ERROR: no such device; INFO: see the manual",
    "2026-01-01 12:00:00.123456: E tensorflow/core/x.cc:1] no kernel",
    "E0000 00:00:1731000000.123456   12 device.cc:42] lost",
    "[E:onnxruntime:, sequential_executor.cc:514] Non-zero status code",
    "2026-01-01 12:00:00,123 - adapter - ERROR - the device INFO page is damaged",
    "Information about the device is missing",
]


@pytest.mark.parametrize("line", INFORMATIONAL)
def test_informational_lines_are_left_out(line: str) -> None:
    assert telling_lines(f"{line}\n") == []


@pytest.mark.parametrize("line", TELLING)
def test_other_lines_are_kept(line: str) -> None:
    assert telling_lines(f"{INFORMATIONAL[0]}\n{line}\n{INFORMATIONAL[1]}\n") == [line]


def test_a_wait_is_only_explained_by_a_failure() -> None:
    log = "loading weights\nERROR: link lost\nwaiting for an answer\n"
    assert telling_lines(log) == ["ERROR: link lost", "waiting for an answer"]
    assert telling_lines(log, trouble_only=True) == ["ERROR: link lost"]
