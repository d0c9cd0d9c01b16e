"""The code folder of a tree: this package, the user's adapter, and the files that were measured."""

import json
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from qutiperf.results.record import RunRecord
from qutiperf.spec import catalog
from qutiperf.submission.chosen import ChosenBenchmark
from qutiperf.submission.options import safe_folder
from qutiperf.unverified import UNVERIFIED

Content = Path | str | bytes
_SUFFIX = ".py"
_CLASS_IN_FILE = ".py:"
_SHIPPED = ("scenarios/*.yaml", "audit/*.yaml", "audit/rounds/*.yaml")  # what a run needs


def code_files(benchmarks: Sequence[ChosenBenchmark]) -> Iterator[tuple[str, Content]]:
    """Paths below the code folder."""
    yield "README.md", _readme(benchmarks)
    yield from _package()
    for chosen in benchmarks:
        record = chosen.record
        yield sut_file(record), _as_yaml("sut", _sut(record))
        yield workload_file(record), _as_yaml("workload", _workload(record))
        yield sweep_file(record), _as_yaml("sweep", _sweep(chosen))
        yield from _own_files(record)


def sut_file(record: RunRecord) -> str:
    return f"sut/{safe_folder(record.point.sut)}.yaml"


def workload_file(record: RunRecord) -> str:
    return f"workloads/{safe_folder(record.point.workload)}.yaml"


def sweep_file(record: RunRecord) -> str:
    return f"{safe_folder(record.point.sut)}-{safe_folder(record.point.workload)}.yaml"


def _readme(benchmarks: Sequence[ChosenBenchmark]) -> str:
    version = benchmarks[0].record.versions.get("qutiperf", "") if benchmarks else ""
    lines = [
        f"# The code that ran: qutiperf {version}".rstrip(),
        f"\n{UNVERIFIED}\n",
        "`qutiperf/` is the package (Apache-2.0), `sut/`, `workloads/`, `adapters/` and `tasks/` are what it",
        "measured, resolved. The model file and the data set belong beside the workload, under the names in",
        "its file. Each result's README.md has the commands, for this folder.",
    ]
    return "\n".join(lines) + "\n"


def _package() -> Iterator[tuple[str, Content]]:
    root = Path(str(resources.files("qutiperf")))
    for path in sorted(root.rglob(f"*{_SUFFIX}")):
        inner = path.relative_to(root)
        if not any(part.startswith((".", "__pycache__")) for part in inner.parts):
            yield f"qutiperf/{inner.as_posix()}", path
    shipped = catalog.root()
    for pattern in _SHIPPED:
        for path in sorted(shipped.glob(pattern)):
            yield f"qutiperf/_catalog/{path.relative_to(shipped).as_posix()}", path


def _own_files(record: RunRecord) -> Iterator[tuple[str, Content]]:
    """An adapter or task of the user's own, as it is now; the record has the digest of what ran."""
    for folder, name in (("adapters", record.inputs.sut.adapter), ("tasks", record.inputs.workload.task)):
        path = Path(name.rpartition(":")[0])
        if _CLASS_IN_FILE in name and path.is_file():
            yield f"{folder}/{safe_folder(path.name)}", path


def _moved(name: str, folder: str) -> str:
    """`file.py:Class` as it is written in this folder; other names as they are."""
    file, _, class_name = name.rpartition(":")
    return f"../{folder}/{safe_folder(Path(file).name)}:{class_name}" if _CLASS_IN_FILE in name else name


def _sut(record: RunRecord) -> dict[str, object]:
    data = record.inputs.sut.model_dump(mode="json")
    return {**data, "adapter": _moved(record.inputs.sut.adapter, "adapters")}


def _workload(record: RunRecord) -> dict[str, object]:
    """Without the folders of this machine."""
    data: dict[str, object] = record.inputs.workload.model_dump(mode="json", exclude_none=True)
    data["task"] = _moved(record.inputs.workload.task, "tasks")
    for section, keys in (("model", ("file",)), ("dataset", ("directory", "file"))):
        part = data[section]
        if isinstance(part, dict):
            names = {key: Path(str(part[key])).name for key in keys if key in part}
            data[section] = {**part, **names}
    model = data["model"]
    if isinstance(model, dict) and isinstance(model.get("other_files"), list):
        others = [{**other, "file": Path(str(other["file"])).name} for other in model["other_files"]]
        data["model"] = {**model, "other_files": others}
    return data


def _sweep(chosen: ChosenBenchmark) -> dict[str, object]:
    record = chosen.record
    return {
        "name": "submission",
        "suts": [sut_file(record)],
        "workloads": [workload_file(record)],
        "scenarios": [each.scenario for each in chosen.scenarios if each.inferred_from is None],
        "modes": ["PerformanceOnly"],
        "profile": "submission",
    }


def _as_yaml(kind: str, data: dict[str, object]) -> str:
    """JSON is YAML: one spelling, nothing to quote."""
    return json.dumps({"kind": kind, "schema_version": 1, **data}, indent=1, ensure_ascii=True) + "\n"
