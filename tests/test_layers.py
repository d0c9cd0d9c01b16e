"""Imports go downwards only, siblings on a line never import each other (docs/design.md, section 2)."""

import ast
import graphlib
from functools import cache
from pathlib import Path

import pytest

from tests.places import PACKAGE

LAYERS: list[set[str]] = [
    {"element_type", "errors", "units", "printable", "regular_file", "unverified"},
    {"spec"},
    {"mlperf_logs", "host", "surroundings", "datasets", "models", "adapters", "loadgen", "power"},
    {"level0", "device"},
    {"results"},
    {"explain", "harness", "published"},
    {"run"},
    {"calibrate", "conformance", "device_file", "microbench"},
    {"audit", "executors"},
    {"submission", "report"},
    {"packs"},
    {"api"},
    {"cli"},
    {"__main__"},
]
# Inside a room, lowest line first; `__init__` is last where it offers what the modules hold.
ROOMS: dict[str, list[str]] = {
    "spec": [
        "config",
        "duration",
        "build catalog layer level0_terms normalisation round_rules source tensor_references "
        "topology variant",
        "audits before block dataset rounds scenario sut",
        "part",
        "workload",
        "formats limits",
        "microbench networks",
        "sweep",
        "point",
        "order",
    ],
    "mlperf_logs": [
        "early_stopping log_keys model summary summary_values trace",
        "stream",
        "__init__",
    ],
    "datasets": [
        "base",
        "imagenet images_in_memory normalised quantized ragged rehearsal task values",
        "cifar10 classification digits inputs mnist npz synthetic",
        "npz_inputs",
        "tasks",
        "__init__",
        "alternatives",
    ],
    "models": [
        "damage part_reference part_weights tensors topologies_builder",
        "digits onnx_file part_builder permuted tflite_file",
        "narrowed part_composed",
        "parts",
        "topologies_efficientnet topologies_imagenet",
        "topologies workload_of",
        "workload_text",
        "topology_spec",
        "built",
    ],
    "adapters": [
        "__init__ base deadline litert_delegate openvino_options protocol torch_onnx",
        "litert_file onnxruntime_device onnxruntime_profile onnxruntime_values open_inference_connection "
        "openvino_checks openvino_profile registry simulated torch_tensors",
        "litert onnxruntime open_inference openvino torch",
    ],
    "power": [
        "meter sysfs_number",
        "gpu hwmon_sensors joulescope meter_facts rapl redfish stamped_lines",
        "amd hwmon nvml power_trace recorded",
        "power_verdict registry",
        "sampler",
        "sampling",
    ],
    "loadgen": ["installed settings", "driver", "__init__"],
    "device": ["configuration", "connection_threads", "connection", "server", "__main__"],
    "level0": [
        "calibration_file families requirements standins",
        "capability graph network",
        "running",
        "operators predict scores",
        "analysis measured points tflite",
        "count fit prediction",
        "reference subject",
        "evaluate suite",
        "calibration",
    ],
    "results": [
        "histogram lock record sample_order",
        "answers derived metrics predictions store superseded sustained",
        "analysed left_out stability table",
        "selection",
        "requirement spread",
        "choice",
    ],
    "explain": [
        "log_tail wording",
        "finding",
        "conditions errors explained labels server",
        "context invalid summary sustained",
        "verdict",
        "records",
        "__init__",
    ],
    "harness": [
        "asked_samples fresh_samples",
        "correctness interval_series kept_answers network_fields responses rotation sample_file samples "
        "schedule significance",
        "phases",
        "execution load many sample_cache streams",
        "padded",
        "loaded_model probe",
        "accuracy_check run",
    ],
    "run": [
        "child estimate front_volume governor job model_tensors model_workload preconditions sample_source "
        "supervisor surrogate watch networks",
        "afterwards hold metering operating_mode pairing prepare search worker_events",
        "memory_limit possible worker_end",
        "plan worker",
        "model_host",
        "budget only preparation repeated repeats runner unfinished",
        "adaptive overhead",
        "effort executor",
        "pareto",
        "sweep",
    ],
    "executors": [
        "board_agent control_folder hosts_file lent_store node_events slurm_options",
        "board_queue labgrid_place node_job rack_checks slurm_queue ssh_client",
        "board_connection node_run",
        "board slurm",
        "rack",
        "ssh",
        "registry",
    ],
    "conformance": [
        "agree finding scaffold",
        "subject",
        "answering lasting sibling tensors timing",
        "probes",
        "checks",
        "__main__ kit",
    ],
    "microbench": [
        "fusion measured_parts node_layers suite_plan",
        "borders network_layers stacks",
        "layer_model networks published_layers selection",
        "evaluation profiled",
        "gap prediction",
        "__init__",
    ],
    "published": [
        "result",
        "qutibench units",
        "cited_peaks mlperf_json plausibility",
        "files",
        "reference",
    ],
    "audit": [
        "accuracy finding kept_phases power_session scores stored_run tree verdict",
        "log_checks phase_relations",
        "answers evidence machine_state power_samples regenerated_order",
        "finished_runs new_run ptdaemon_log speed tested_run",
        "consistency environment possible_figures recompute repeat test01",
        "perturb replay test04",
        "registry",
        "compliance new_runs",
    ],
    "submission": [
        "accuracy_text entries host_facts ignored_files json_file obstacle official_power rehearsal_rule",
        "seal staged_folder status submitted_runs",
        "endpoints hygiene",
        "descriptions log_rules options structure system_text",
        "accuracy_rules chosen compliance_rules power_rules",
        "code_files completion extra_figures power_check",
        "benchmark_text entry_check",
        "copies",
        "check tree_plan",
        "published_rows submit",
    ],
    "report": [
        "bundles columns origin power_lines roofs verdicts",
        "figure gaps published_rows run_page table",
        "downloads recorded",
        "beside change data_package sources",
        "pages portal tables",
        "site",
    ],
    "packs": ["manifest contribution", "reading writing"],
    "api": [
        "figures frame progress",
        "answers choices explanations plans submissions sweeps theory",
        "__init__",
    ],
    "cli": [
        "combinations console sweep_options",
        "results",
        "left_out",
        "adapter agree calibrate check contribute export front level0 listing measured_layers models plan "
        "plot progress published serve workload",
        "analyse answers best doctor explain level0_fit report submit",
        "show",
        "compare run",
        "audit microbench",
        "__init__",
    ],
}
MODULES = sorted(PACKAGE.rglob("*.py"))


@cache
def nodes(path: Path) -> list[ast.Import | ast.ImportFrom | ast.ClassDef | ast.Call]:
    """What the checks look at, from one walk over each file."""
    kinds = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.Call)
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]


def level(name: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if name in layer)


def owner(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """First parts below qutiperf of everything a module imports, inside functions too."""
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            found |= {f"qutiperf.{alias.name}" for alias in node.names} if module == "qutiperf" else {module}
    return {name.split(".")[1] for name in found if name.startswith("qutiperf.")} - {"__version__"}


def test_imports_go_downwards() -> None:
    """Without a case for each of hundreds of files, which would take longer than the check."""
    assert [line for path in MODULES for line in upward_imports(path)] == []


def upward_imports(path: Path) -> list[str]:
    mine, names = owner(path), imported(path)
    if mine == "__init__":
        return [f"the package imports {name}" for name in names]
    return [f"{path} imports {name}" for name in names - {mine} if level(name) >= level(mine)]


def test_every_module_has_a_line() -> None:
    owners = {owner(path) for path in MODULES} - {"__init__"}
    assert owners <= set().union(*LAYERS)


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {module_name(path) for path in MODULES}


def imported_files(path: Path) -> set[str]:
    """Names of every module of the package that a module imports, inside functions too."""
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in NAMES else node.module)
    return (found & NAMES) - {module_name(path)}


def test_no_files_import_each_other_in_a_circle() -> None:
    files = {module_name(path): imported_files(path) for path in MODULES}
    graphlib.TopologicalSorter(files).prepare()


def test_the_circle_check_sees_the_imports() -> None:
    assert "qutiperf.spec.config" in imported_files(PACKAGE / "spec" / "catalog.py")
    assert "qutiperf.spec.catalog" in imported_files(PACKAGE / "spec" / "sut.py")


@pytest.mark.parametrize("room", ROOMS)
def test_imports_inside_a_room_go_downwards(room: str) -> None:
    line_of = {name: number for number, line in enumerate(ROOMS[room]) for name in line.split()}
    for path in (PACKAGE / room).rglob("*.py"):
        mine = room_file(path)
        assert mine in line_of or mine == "__init__", f"give {room}/{mine} a line in ROOMS"
        for name in imported_files(path):
            owner, _, other = name.removeprefix("qutiperf.").partition(".")
            other = other.partition(".")[0] or "__init__"
            if owner == room and other != mine and other in line_of:
                assert line_of[other] < line_of.get(mine, 0), f"{room}/{mine} imports {other}"


def room_file(path: Path) -> str:
    """The file or folder of a room that holds a module."""
    return path.relative_to(PACKAGE).parts[1].removesuffix(".py")


def test_every_folder_is_a_room() -> None:
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(ROOMS)


def test_class_names_are_unique() -> None:
    """But for `Options`, which every adapter has by the interface."""
    places: dict[str, list[str]] = {}
    for path in MODULES:
        for node in nodes(path):
            if isinstance(node, ast.ClassDef) and node.name != "Options":
                places.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_only_loadgen_imports_loadgen() -> None:
    users = {owner(path) for path in MODULES if "import mlperf_loadgen" in path.read_text()}
    assert users == {"loadgen"}


def test_only_the_command_line_prints_or_exits() -> None:
    for path in MODULES:
        names = {
            node.func.id
            for node in nodes(path)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        if owner(path) not in {"cli"} and path.name != "__main__.py":
            assert not names & {"print", "exit", "quit"}, path


def test_no_file_is_long() -> None:
    assert [str(path) for path in MODULES if len(path.read_text().splitlines()) > 400] == []
