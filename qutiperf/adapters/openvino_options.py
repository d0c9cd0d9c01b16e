"""The options of the OpenVINO adapter. Standard library only, valid for Python 3.9."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CHOOSING_DEVICES = ("AUTO", "MULTI", "HETERO", "BATCH")


@dataclass(frozen=True)
class Options:
    """`properties` is `KEY=VALUE;KEY=VALUE`, passed to the device's plugin after all others.

    `inference_precision` is f32 by default, because OpenVINO's own default computes float32 models
    in bf16 or f16 if the device supports it. `num_streams` applies within one instance; each stream of the
    harness is a separate instance.
    """

    device: str = "CPU"
    threads: int = 1
    num_streams: int = 1
    inference_precision: Literal["default", "f32", "bf16", "f16"] = "f32"
    performance_hint: Literal["latency", "throughput", "none"] = "latency"
    properties: str = ""

    def __post_init__(self) -> None:
        if self.threads < 1 or self.num_streams < 1:
            raise ValueError("threads and num_streams must be at least 1")
        if self.device.partition(":")[0] in CHOOSING_DEVICES:
            raise ValueError(f"device {self.device} selects devices by itself; name one device")
        pairs(self.properties)


def pairs(text: str) -> dict[str, str]:
    """Raises ValueError unless the text is `KEY=VALUE;KEY=VALUE`."""
    parts = [pair.partition("=") for pair in text.split(";") if pair.strip()]
    if any(not separator for _, separator, _ in parts):
        raise ValueError(f"properties '{text}' is not KEY=VALUE;KEY=VALUE")
    return {key.strip(): value.strip() for key, _, value in parts}
