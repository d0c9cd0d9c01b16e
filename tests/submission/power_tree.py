"""A tree with power logs in the form of power-dev and PTDaemon, around LoadGen's own logs of the tests."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.submission.good_tree import LOGS, SYSTEM, build_scenario, write

SESSION = "2026-11-22_13-00-00"
METER = "YokogawaWT310"
RANGE_A, RANGE_V = "0.5", "300.000000"
_FORMAT = "%m-%d-%Y %H:%M:%S.%f"
_HASHED = {
    "client": ("power/client.log", "ranging/mlperf_log_detail.txt", "ranging/mlperf_log_summary.txt"),
    "server": ("power/ptd_logs.txt", "power/server.log", "ranging/spl.txt", "run_1/spl.txt"),
}
_GO = "Starting untimed measurement, maximum 500000 samples at 1000ms with 0 rampup samples"


def build_power(root: Path, scenario: str) -> Path:
    """An open submitter with one scenario and its power logs; returns the scenario's performance folder."""
    submitter = root / "open" / "Acme"
    write(submitter / "code" / "main.py", "print('what ran')\n")
    described = {**SYSTEM, "division": "open", "system_power_capacity": 90}
    write(submitter / "machines" / "board.json", json.dumps(described))
    build_scenario(submitter, "board", "digits-99", scenario)
    performance = submitter / "runs" / "board" / "digits-99" / scenario / "performance"
    add_power(performance, LOGS / scenario / "performance")
    return performance


def add_power(performance: Path, logs: Path) -> None:
    """The ranging run is a minute before the measured one."""
    for path in sorted(logs.glob("mlperf_log_[ds]*")):
        write(performance / "ranging" / path.name, _earlier(path.read_text()))
    windows = {mode: window(performance / folder) for mode, folder in FOLDERS.items()}
    for mode, folder in FOLDERS.items():
        write(performance / folder / "spl.txt", samples(mode, *windows[mode]))
    write(performance / "power" / "client.log", f"client [INFO] Session id is '{SESSION}'\n")
    write(performance / "power" / "server.log", f"ptd-server [INFO] session {SESSION}\n")
    write(performance / "power" / "ptd_logs.txt", ptdaemon_log(performance, windows))
    for end in ("client", "server"):
        write(performance / "power" / f"{end}.json", json.dumps(session(performance, end, windows), indent=1))
    rehash(performance)


FOLDERS = {"ranging": "ranging", "testing": "run_1"}
Window = tuple[datetime, datetime]


def _earlier(text: str) -> str:
    """Another run, one minute before: its times and its process differ."""
    text = re.sub(r'"pid": (\d+)', lambda pid: f'"pid": {int(pid.group(1)) + 1}', text)
    for key in ("power_begin", "power_end"):
        text = re.sub(
            rf'("key": "{key}", "value": ")([^"]*)',
            lambda value: value.group(1) + stamp(moment(value.group(2)) - timedelta(minutes=1)),
            text,
        )
    return text


def moment(text: str) -> datetime:
    return datetime.strptime(text, _FORMAT).replace(tzinfo=UTC)


def stamp(at: datetime) -> str:
    return at.strftime(_FORMAT)[:-3]


def window(folder: Path) -> Window:
    text = (folder / "mlperf_log_detail.txt").read_text()
    begin, end = (
        moment(re.findall(rf'"key": "{key}", "value": "([^"]*)', text)[at])
        for key, at in (("power_begin", 0), ("power_end", -1))
    )
    return begin, end


def watts(number: int) -> float:
    """Between 20 and 21 W."""
    return 20 + number % 11 / 10


def samples(mode: str, begin: datetime, end: datetime) -> str:
    """Ten a second, from one second before the run to one after it."""
    lines: list[str] = []
    at = begin - timedelta(seconds=1)
    while at <= end + timedelta(seconds=1):
        power = watts(len(lines))
        reading = f"Watts,{power:.6f},Volts,230.000000,Amps,{power / 115:.6f},PF,0.500000"
        lines.append(f"Time,{stamp(at)},{reading},Mark,{SESSION}_{mode}\n")
        at += timedelta(milliseconds=100)
    return "".join(lines)


def reply(text: str) -> str:
    """PTDaemon's answer to `Watts` after these samples."""
    lines = text.splitlines()
    values = [value for line in lines if (value := float(line.split(",")[3])) > 0]
    failed = len(lines) - len(values)
    mean = sum(values) / len(values)
    return f"Watts,{mean:.6f},{min(values):.6f},{max(values):.6f},{len(lines)},{failed},{len(values)}"


def ptdaemon_log(performance: Path, windows: dict[str, Window]) -> str:
    start = stamp(windows["ranging"][0] - timedelta(seconds=20))
    lines = ["Analyzer 1", f"{start}: Uncertainty checking for {METER} is activated"]
    for mode, (begin, end) in windows.items():
        go, after = stamp(begin - timedelta(seconds=2)), stamp(end + timedelta(seconds=2))
        lines.append(f"{go}: Go with mark '{SESSION}_{mode}'")
        if mode == "ranging":
            lines.append(f"{stamp(begin)}: ERROR: Can't evaluate uncertainty of this sample!")
        lines.append(f"{after}: Completed test")
        text = (performance / FOLDERS[mode] / "spl.txt").read_text()
        lines.append(f"{after}: Response to client sent: {reply(text)}")
    return "\n".join(lines) + "\n"


def session(performance: Path, end: str, windows: dict[str, Window]) -> dict[str, object]:
    common: dict[str, object] = {
        "version": "1.0",
        "timezone": 0,
        "modules": {},
        "sources": {"client.py": "1" * 40, "server.py": "2" * 40},
        "messages": [
            {"cmd": "mlcommons/power client v3", "reply": "mlcommons/power server v3"},
            {"cmd": "time", "reply": "1.0" if end == "client" else "2.0"},
            {"cmd": f"session,{SESSION},start,testing", "reply": "OK"},
        ],
        "uuid": {
            "client": "b349f60f-290c-4919-a76b-1d21a262658f",
            "server": "5df0a3a4-aea5-45e2-936e-bcc899f3ae3e",
        },
        "session_name": SESSION,
        "results": {},
        "phases": {mode: phases(*between) for mode, between in windows.items()},
    }
    return common if end == "client" else {**common, **meter(performance)}


def phases(begin: datetime, end: datetime) -> list[list[float]]:
    moments = (begin - timedelta(seconds=4), begin - timedelta(seconds=2), end, end + timedelta(seconds=2))
    later = (moments[0], moments[1], moments[2] + timedelta(seconds=1), moments[3])
    return [[each.timestamp(), 5.0] for each in later]


def meter(performance: Path) -> dict[str, object]:
    texts = {mode: (performance / folder / "spl.txt").read_text() for mode, folder in FOLDERS.items()}
    replies = {mode: reply(text) for mode, text in texts.items()}
    pairs = [
        ("Identify", f"{METER},1000,1,1,version=1.11.1-462c978e-20240907,OS=Linux,mode=power"),
        ("RR", f"Ranges,0,{RANGE_A},0,{RANGE_V}"),
        *((f"SR,{each},Auto", f"Range {each} changed") for each in "VA"),
        (f"Go,1000,0,{SESSION}_ranging", _GO),
        ("Stop", "Stopping untimed measurement"),
        ("Uncertainty", "Uncertainty,-1.0,10000000.000000,0.000000,5,0,0,5"),
        ("Watts", replies["ranging"]),
        ("SR,V,230.0", "Range V changed"),
        ("SR,A,0.2", "Range A changed"),
        (f"Go,1000,0,{SESSION}_testing", _GO),
        ("Stop", "Stopping untimed measurement"),
        ("Uncertainty", "Uncertainty,0.005000,0.004000,0.006000,5,0,5,0"),
        ("Watts", replies["testing"]),
        (f"SR,V,{RANGE_V}", "Range V changed"),
        (f"SR,A,{RANGE_A}", "Range A changed"),
    ]
    return {
        "ptd_messages": [{"cmd": command, "reply": answer} for command, answer in pairs],
        "ptd_config": [{"command": ["ptd", "49", "/dev/usbtmc0"], "device_type": 49, "channel": None}],
    }


def rehash(performance: Path) -> None:
    """Both ends have the sha1 of the files as they are, as one who edits them would see to."""
    for end, names in _HASHED.items():
        path = performance / "power" / f"{end}.json"
        data = json.loads(path.read_text())
        own = [*names, *(each.replace("ranging", "run_1") for each in names if "mlperf" in each)]
        data["results"] = {each: hashlib.sha1((performance / each).read_bytes()).hexdigest() for each in own}
        path.write_text(json.dumps(data, indent=1))


def edit_json(performance: Path, ends: Iterable[str], change: Callable[[dict[str, object]], None]) -> None:
    for end in ends:
        path = performance / "power" / f"{end}.json"
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))
