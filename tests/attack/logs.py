"""Hostile logs of LoadGen: explained, or refused in one line."""

import random
from collections.abc import Iterator
from functools import partial

from tests.attack.attack import OK, REFUSED, Attack, require
from tests.attack.ground import Ground
from tests.places import TESTS

_RESULTS = TESTS / "data/results_862dfec"
_LOGS = ("mlperf_log_detail.txt", "mlperf_log_summary.txt")
_DAMAGED = 12


def attacks(chance: random.Random) -> list[Attack]:
    return [
        Attack(f"logs: {name}", partial(_logs, data, log), limit_s=60)
        for name, data, log in _hostile_logs(chance)
    ]


def _hostile_logs(chance: random.Random) -> Iterator[tuple[str, bytes, str]]:
    detail = next(_RESULTS.glob("*/mlperf_log_detail.txt")).read_bytes()
    line = b':::MLLOG {"key": "%s", "value": %s, "time_ms": 1.0, "namespace": "x", "metadata": {}}\n'
    cases: dict[str, bytes] = {
        "empty": b"",
        "noise": bytes(range(256)) * 100,
        "one line of 5 MB": b":::MLLOG " + b"x" * 5_000_000,
        "deep lists": line % (b"result_validity", b"[" * 100_000),
        "long integer": line % (b"result_samples_per_second", b"9" * 100_000),
        "NaN": line % (b"result_samples_per_second", b"NaN"),
        "key of a list": b':::MLLOG {"key": [1], "value": 1}\n',
        "no object": b":::MLLOG 42\n" * 100,
        "validity of escapes": line % (b"result_validity", b'"\\u001b[2J\\u0007"'),
        "keys of escapes": line % (b"\\u001b[2J", b"1") * 10,
        "cut": detail[: len(detail) // 2],
        "twice": detail + detail,
    }
    for name, data in cases.items():
        yield f"detail {name}", data, _LOGS[0]
        if name in ("empty", "noise", "one line of 5 MB"):
            yield f"summary {name}", data, _LOGS[1]
    for number in range(1, _DAMAGED + 1):
        damaged = bytearray(detail)
        for _ in range(chance.choice([1, 8, 64])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        yield f"detail damaged {number}", bytes(damaged), _LOGS[0]


def _logs(data: bytes, log: str, ground: Ground) -> None:
    """`explain` of the logs alone: an explanation that names the folder, or one error line."""
    source = next(_RESULTS.glob("*/mlperf_log_detail.txt")).parent
    for name in _LOGS:
        ground.copy(source / name, name)
    ground.write(log, data)
    outcome = ground.call(["explain", str(ground.work)], [OK, *REFUSED])
    require(outcome.code or outcome.out.strip(), "exit code 0 without a word")
