"""`python3 qutiperf-device.pyz`, `python3 -m qutiperf.device`: serves one model on this device."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import signal
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Optional

from qutiperf.device.configuration import Configuration, loaded_adapters, read_configuration, to_json
from qutiperf.device.server import DeviceServer
from qutiperf.errors import InputError, QutiperfError

BAKED = "device.json"  # in the archive's root: the configuration packed by `export --device --sut --workload`
FILES = "files/"  # beside it: the model and the user's own adapter
_NAMES = (
    *("adapter", "model_name", "streams", "batch_size", "host", "port", "token_file", "certificate"),
    *("key", "max_request_mb", "idle_timeout_s", "max_connections"),
)


def main() -> int:
    """Exit codes: 0 stopped by a signal, 2 bad input, 3 set-up missing, 4 the adapter failed."""
    arguments = _parser().parse_args()
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.CRITICAL)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # under nohup SIGHUP stays ignored
            signal.signal(number, _interrupt)
    folder = tempfile.mkdtemp(prefix="qutiperf-device-")
    try:
        return _serve(arguments, Path(folder))
    except QutiperfError as error:
        print(f"qutiperf-device: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _interrupt(number: int, frame: object) -> None:
    """Handles the first signal only: a second one must not interrupt the clean-up."""
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _serve(arguments: argparse.Namespace, folder: Path) -> int:
    configuration = _configuration(arguments, folder)
    if arguments.show:
        print(to_json(configuration))
        return 0
    with loaded_adapters(configuration) as adapters, DeviceServer(configuration, adapters) as server:
        if server.warning():
            print(f"qutiperf-device: warning: {server.warning()}", file=sys.stderr, flush=True)
        print(f"serving {configuration.model_name} at {server.url}", flush=True)
        server.serve_forever()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="qutiperf-device", description="Serves a model on this device for qutiperf on another machine."
    )
    parser.add_argument("--config", help="a JSON configuration file; flags override it")
    parser.add_argument("--adapter", help="a shipped adapter's name or file.py:Class")
    parser.add_argument("--model", help="the model file")
    parser.add_argument("--options", help="the adapter's options as JSON")
    parser.add_argument(
        "--input", help='the input as JSON: {"name": "x", "dtype": "float32", "shape": [3, 8, 8]}'
    )
    parser.add_argument("--output", help="the output's name")
    parser.add_argument("--model-name", help="the model's name in the protocol; default: model")
    parser.add_argument("--streams", type=int, help="adapter instances; default 1")
    parser.add_argument("--batch-size", type=int, help="the largest batch; default 64")
    parser.add_argument("--host", help="address to listen on; default 127.0.0.1, 0.0.0.0 for all")
    parser.add_argument("--port", type=int, help="default 8123; 0 selects a free port")
    parser.add_argument("--token-file", help="a file with the bearer token that requests must carry")
    parser.add_argument("--certificate", help="PEM file of the certificate; enables TLS")
    parser.add_argument("--key", help="PEM file of the certificate's key; required with --certificate")
    parser.add_argument("--max-request-mb", type=float, help="default 256")
    parser.add_argument("--idle-timeout-s", type=float, help="default 3600")
    parser.add_argument("--max-connections", type=int, help="default 128; more are refused")
    parser.add_argument("--show", action="store_true", help="print the configuration as JSON and exit")
    parser.add_argument("--verbose", action="store_true", help="log requests that fail")
    return parser


def _configuration(arguments: argparse.Namespace, folder: Path) -> Configuration:
    """The packed or given configuration, overridden by flags; raises InputError if it is incomplete."""
    where, data = "flags", _baked(folder)
    if arguments.config:
        where = arguments.config
        try:
            text = Path(arguments.config).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise InputError(f"cannot be read: {error}", where=where) from None
        data = _json(text, where)
    settings: dict[str, object] = dict(data or {})
    for name in _NAMES:
        if getattr(arguments, name) is not None:
            settings[name] = getattr(arguments, name)
    given = settings.get("model")
    settings["model"] = _model(arguments, dict(given) if isinstance(given, dict) else {})
    if arguments.options:
        settings["options"] = _json(arguments.options, "--options")
    if "adapter" not in settings:
        raise InputError("nothing to serve", cure="give --config, or --adapter, --model, --input, --output")
    return read_configuration(json.dumps(settings), where)


def _model(arguments: argparse.Namespace, model: dict[str, object]) -> dict[str, object]:
    if arguments.model:
        model["path"] = arguments.model
    if arguments.input:
        spec = _json(arguments.input, "--input")
        shape = spec.get("shape")
        model |= {"input_name": spec.get("name"), "input_dtype": spec.get("dtype"), "input_shape": shape}
    if arguments.output:
        model["output_name"] = arguments.output
    needed = {"input_name": "--input", "input_dtype": "--input", "input_shape": "--input"}
    for name, flag in {**needed, "output_name": "--output"}.items():
        if model.get(name) is None and (arguments.adapter or arguments.config):
            raise InputError(f"model.{name} is not given", cure=f"give {flag}")
    model.setdefault("path", "")
    return model


def _json(text: str, flag: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except RecursionError:
        raise InputError(f"{flag}: is nested too deeply") from None
    except ValueError as error:
        raise InputError(f"{flag}: is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"{flag}: is not a JSON object")
    return value


def _baked(folder: Path) -> Optional[dict[str, object]]:
    """The configuration packed into this archive, or None; unpacks the archive's files into `folder`."""
    archive = Path(sys.argv[0])
    if not zipfile.is_zipfile(archive):
        return None
    with zipfile.ZipFile(archive) as packed:
        if BAKED not in packed.namelist():
            return None
        for name in packed.namelist():
            if name.startswith(FILES):
                packed.extract(name, folder)
        text = packed.read(BAKED).decode().replace("{folder}", str(folder / FILES.rstrip("/")))
    settings: dict[str, object] = json.loads(text)
    return settings


if __name__ == "__main__":
    sys.exit(main())
