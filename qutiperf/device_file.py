"""From the files of a system and a workload to what a device serves, and the one file that a board needs."""

import ast
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import qutiperf
from qutiperf.adapters import ADAPTERS
from qutiperf.adapters.base import Model
from qutiperf.adapters.registry import adapter_class, make_options, option_names
from qutiperf.device.__main__ import BAKED, FILES
from qutiperf.device.configuration import Configuration, check_configuration
from qutiperf.errors import InputError, SetupError
from qutiperf.harness.load import model_for
from qutiperf.run.pairing import check_taken, chosen_for
from qutiperf.spec.sut import SystemUnderTest
from qutiperf.spec.workload import Workload

# What a board gets of the package: nothing of it needs more than the standard library and numpy.
DEVICE_SOURCES = (
    *("__init__.py", "element_type.py", "errors.py", "py.typed"),
    *("adapters/__init__.py", "adapters/base.py"),
    *("device/__init__.py", "device/__main__.py", "device/configuration.py", "device/connection.py"),
    *("device/connection_threads.py", "device/server.py"),
)
_HOST_ONLY = {"registry.py"}  # of adapters/
_DATE = (1980, 1, 1, 0, 0, 0)  # of every packed file: the same files give the same bytes
_MAIN = "import sys\n\nfrom qutiperf.device.__main__ import main\n\nsys.exit(main())\n"


def configuration_for(
    sut: SystemUnderTest, workload: Workload, folder: Path, changes: Mapping[str, object]
) -> Configuration:
    """What to serve; a topology is built into `folder`. `changes` are adapter options or streams, batch_size.

    The runtime need not be here: what is packed runs elsewhere. Raises InputError for what does not fit.
    """
    chosen = chosen_for(sut, workload)
    path = chosen.model.file
    if path is not None and not Path(path).is_file():
        raise InputError(f"model.file: there is no {path}", where=workload.name)
    adapter = adapter_class(sut.adapter)
    if adapter.over_network:
        raise InputError("is behind a network itself", where=sut.name, cure="serve the system behind it")
    check_taken(sut, chosen)
    names, options, own = option_names(adapter), dict(sut.options), {}
    for name, value in changes.items():
        if name in names:
            options[name] = value  # type: ignore[assignment]  # checked below
        elif name in ("streams", "batch_size"):
            own[name] = value
        else:
            known = ", ".join([*names, "streams", "batch_size"])
            raise InputError(f"--set {name}: unknown", where=sut.name, cure=f"known: {known}")
    make_options(adapter, dict(options), sut.name)
    made = Configuration(
        adapter=sut.adapter,
        model=model_for(chosen, folder),
        options=dict(options),
        **own,  # type: ignore[arg-type]  # checked now
    )
    check_configuration(made, "--set")
    return made


def pack_device(target: Path, configuration: Configuration | None) -> None:
    """Writes the one file; with a configuration, its model and adapter file travel in it.

    The same inputs give the same bytes. Raises SetupError if it cannot be written.
    """
    files = {f"qutiperf/{name}": _source(name) for name in _sources()} | {"__main__.py": _MAIN.encode()}
    if configuration is not None:
        files |= _baked(configuration)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, _DATE), content, zipfile.ZIP_DEFLATED)
    try:
        target.write_bytes(b"#!/usr/bin/env python3\n" + packed.getvalue())
        target.chmod(0o755)
    except OSError as error:
        raise SetupError(f"cannot be written: {error.strerror}", where=str(target)) from None


def _sources() -> list[str]:
    folder = Path(qutiperf.__file__).parent / "adapters"
    adapters = [f"adapters/{path.name}" for path in folder.glob("*.py") if path.name not in _HOST_ONLY]
    return sorted({*DEVICE_SOURCES, *adapters})


def _source(name: str) -> bytes:
    content = (Path(qutiperf.__file__).parent / name).read_bytes()
    ast.parse(content, feature_version=(3, 9))
    return content


def _baked(configuration: Configuration) -> dict[str, bytes]:
    """The configuration and its files, whose paths are those inside the archive."""
    contents: dict[str, bytes] = {}
    model, adapter = configuration.model, configuration.adapter
    if model.path:
        for path in _with_weights(Path(model.path)):
            contents[f"{FILES}{path.name}"] = path.read_bytes()
        model = Model(**{**vars(model), "path": f"{{folder}}/{Path(model.path).name}"})
    if adapter not in ADAPTERS:
        file, _, attribute = adapter.rpartition(":")
        contents[f"{FILES}{Path(file).name}"] = Path(file).read_bytes()
        adapter = f"{{folder}}/{Path(file).name}:{attribute}"
    moved = asdict(replace(configuration, model=model, adapter=adapter))
    return {**contents, BAKED: json.dumps(moved, indent=1).encode()}


def _with_weights(path: Path) -> list[Path]:
    """The file, and the one beside it that holds its weights (OpenVINO's .bin, ONNX's external data)."""
    beside = [path.with_suffix(".bin"), path.with_name(path.name + ".data"), path.with_suffix(".data")]
    return [path, *(each for each in beside if each != path and each.is_file())]
