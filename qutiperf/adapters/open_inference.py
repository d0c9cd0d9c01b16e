"""A device behind the Open Inference Protocol (KServe v2): qutiperf's own device server, Triton, MLServer...

One keep-alive connection per instance, one request per batch. This side does not cache, join or preprocess
anything, as MLPerf's network division requires.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import Optional
from urllib.parse import quote, urlsplit

from qutiperf.adapters import protocol
from qutiperf.adapters.base import Adapter, Array, Arrays, Completion, InputTensor, Model
from qutiperf.adapters.open_inference_connection import HttpAnswer, ServerConnection, first_line
from qutiperf.adapters.protocol import quoted, shown
from qutiperf.element_type import BEYOND_NUMPY, BFLOAT16, reals_of_bfloat16
from qutiperf.errors import InputError, RunError, SetupError

_MEGA = 1_000_000
_ROUND_TRIPS = 20
_LINK_BYTES = 4 * _MEGA
_LONGEST_TIMEOUT_S = 1e6
_MOST_PARAMETERS = 50  # parameters of a server that are recorded, each as text of at most
_MOST_TEXT = 200  # characters


@dataclass(frozen=True)
class Options:
    """`retries` is how often a request is sent again after a lost connection; each one is counted.

    `token_file` contains the bearer token, `ca_file` certificates to trust in addition to the system's; none
    if empty. If `model_version` is empty, the server chooses. Without `binary`, numbers are sent as JSON.
    """

    url: str = "http://127.0.0.1:8123"
    model_name: str = "model"
    model_version: str = ""
    timeout_s: float = 10.0
    retries: int = 0
    token_file: str = ""
    ca_file: str = ""
    max_request_mb: float = 256.0
    binary: bool = True

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None
        if parts.scheme not in ("http", "https") or not parts.hostname or extra:
            raise ValueError(f"url '{self.url}' is not http://host:port or https://host:port")
        if parts.port == 0:  # raises ValueError above 65535
            raise ValueError(f"url '{self.url}' has port 0")
        if not 0 < self.timeout_s <= _LONGEST_TIMEOUT_S:
            raise ValueError(f"timeout_s must be above 0 and at most {_LONGEST_TIMEOUT_S:.0f}")
        if self.retries < 0 or not (self.max_request_mb > 0 and isfinite(self.max_request_mb)):
            raise ValueError("retries must be at least 0, and max_request_mb above 0")


class OpenInference(Adapter[Options]):
    """Compute times are the server's, if it reports them as `compute_ns`."""

    options_type = Options
    over_network = True
    many_tensors = True
    element_types = BEYOND_NUMPY

    def load(self, model: Model, options: Options) -> None:
        self._model, self._options = model, options
        self._types = {tensor.name: tensor.dtype for tensor in model.inputs if tensor.dtype in BEYOND_NUMPY}
        self._headers = _headers(options)
        self._connection = ServerConnection(
            options.url, options.timeout_s, options.ca_file, options.retries, options.model_name
        )
        version = f"/versions/{quote(options.model_version, safe='')}" if options.model_version else ""
        self._path = f"/v2/models/{quote(options.model_name, safe='')}{version}"
        try:
            self._greet(model, options)
        except BaseException:
            self.close()
            raise

    def _greet(self, model: Model, options: Options) -> None:
        """Reads the server's metadata, checks that its model is the workload's, and measures the link."""
        self._server = self._json("/v2", "server")
        metadata = self._metadata()
        _check_metadata(metadata, model, options)
        parameters = metadata.get("parameters")
        self._server_parameters: Mapping[str, object] = parameters if isinstance(parameters, dict) else {}
        self._platform = shown(metadata.get("platform", "unknown"), _MOST_TEXT)
        self._link = self._measured_link()
        self.tune(1)

    def tune(self, batch_size: int) -> None:
        largest = self._server_parameters.get("max_batch_size")
        if type(largest) is int and batch_size > largest > 0:
            cure = f"serve it with --batch-size {batch_size}"
            raise InputError(
                f"the largest batch size is {largest}, not {batch_size}", where=self._where, cure=cure
            )
        self._connection.retries = self._connection.reconnections = 0

    def infer(self, batch: Array) -> tuple[Array, Optional[int]]:
        (outputs,), compute_ns = self._exchange([(self._model.input_name, batch)], len(batch))
        if outputs.ndim == 0 or len(outputs) != len(batch):
            problem = f"it answered {list(outputs.shape)} for {len(batch)} samples"
            raise RunError(problem, where=self._where)
        return Completion(outputs, compute_ns)

    def infer_many(self, batch: Arrays) -> tuple[Arrays, Optional[int]]:
        named = [(tensor.name, array) for tensor, array in zip(self._model.inputs, batch)]  # noqa: B905
        axis = self._model.batch_axis
        return self._exchange(named, 1 if axis is None else batch[0].shape[axis])

    def _exchange(self, tensors: list[tuple[str, Array]], count: int) -> tuple[Arrays, Optional[int]]:
        """One request with all inputs, answered with all outputs."""
        self._connection.sent += 1
        header: protocol.Header = {"id": str(self._connection.sent)}
        if self._options.binary:
            header["parameters"] = {"binary_data_output": True}
        try:
            length, parts = protocol.encode(header, "inputs", tensors, self._options.binary, self._types)
        except protocol.ProtocolError as error:
            raise RunError(f"a batch cannot be sent: {error}", where=self._where) from None
        size = sum(len(part) for part in parts)
        if size > self._options.max_request_mb * _MEGA:
            problem = f"a batch of {count} is a request of {size / _MEGA:.3g} MB"
            raise RunError(problem, where=self._where, cure="raise max_request_mb or lower batch_size")
        kind = "application/octet-stream" if self._options.binary else "application/json"
        headers = {**self._headers, "Content-Type": kind, "Content-Length": str(size)}
        if self._options.binary:
            headers[protocol.HEADER_LENGTH] = str(length)
        answer = self._connection.request("POST", f"{self._path}/infer", parts, headers)
        if answer.status != 200:
            raise RunError(
                f"answered {answer.status}: {answer.reason()}", where=self._where, cure=self._binary_hint()
            )
        return self._outputs(answer)

    def _outputs(self, answer: HttpAnswer) -> tuple[Arrays, Optional[int]]:
        text = answer.header_length
        try:
            length = int(text) if text is not None else None
            message = protocol.decode(answer.body, length, "outputs")
        except ValueError as error:
            raise RunError(f"its answer violates the protocol: {error}", where=self._where) from None
        request_id = message.header.get("id")
        if request_id is not None and request_id != str(self._connection.sent):
            problem = f"it answered request {quoted(request_id)}, not '{self._connection.sent}'"
            raise RunError(problem, where=self._where, cure="answers were mixed up")
        for name in self._model.outputs:
            if name not in message.tensors:
                problem = f"it answered {quoted(list(message.tensors))}, not '{name}'"
                raise RunError(problem, where=self._where)
        outputs = tuple(_output(message, name) for name in self._model.outputs)
        return outputs, self._compute_ns(message.header)

    def _compute_ns(self, header: protocol.Header) -> Optional[int]:
        """The server's value, even if longer than the call, because the harness counts impossible clocks."""
        parameters = header.get("parameters")
        compute_ns = parameters.get(protocol.COMPUTE_NS) if isinstance(parameters, dict) else None
        if compute_ns is None:
            return None
        if type(compute_ns) is not int or not 0 <= compute_ns < 1 << 63:
            problem = f"its {protocol.COMPUTE_NS} is {quoted(compute_ns)}, not a whole number of nanoseconds"
            raise RunError(problem, where=self._where)
        return compute_ns

    def _binary_hint(self) -> str:
        extensions = self._server.get("extensions")
        announced = isinstance(extensions, list) and protocol.BINARY_EXTENSION in extensions
        return (
            ""
            if announced or not self._options.binary
            else "it does not announce binary tensors: set binary to false"
        )

    def close(self) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()

    def describe(self) -> dict[str, str]:
        name, version = self._server.get("name", "unknown"), self._server.get("version", "unknown")
        recorded = list(self._server_parameters.items())[:_MOST_PARAMETERS]
        far = {f"far_{shown(key, _MOST_TEXT)}": shown(value, _MOST_TEXT) for key, value in recorded}
        url = urlsplit(self._options.url)
        return {
            "server": f"{shown(name, _MOST_TEXT)} {shown(version, _MOST_TEXT)}",
            "url": f"{url.scheme}://{url.hostname}:{url.port or (443 if url.scheme == 'https' else 80)}",
            "platform": self._platform,
            "protocol": "Open Inference Protocol (KServe v2) over HTTP/1.1",
            "tensors": "binary" if self._options.binary else "JSON",
            **far,
        }

    def figures(self) -> dict[str, float]:
        link = self._connection
        return {"retries": link.retries, "reconnections": link.reconnections, **self._link}

    @property
    def _where(self) -> str:
        return f"{self._options.url} {self._options.model_name}"

    def _metadata(self) -> Mapping[str, object]:
        ready = self._connection.request("GET", f"{self._path}/ready", [], self._headers)
        if ready.status == 200:
            return self._json(self._path, "model")
        listed = self._connection.request("GET", "/v2/models", [], self._headers)
        names = f"; it has {listed.reason()}" if listed.status == 200 else ""
        problem = f"no model '{self._options.model_name}' is ready: {ready.status} {ready.reason()}{names}"
        raise InputError(problem, where=self._options.url, cure="set options.model_name")

    def _json(self, path: str, what: str) -> Mapping[str, object]:
        """A JSON object; raises SetupError for any other answer."""
        answer = self._connection.request("GET", path, [], self._headers)
        if answer.status in (401, 403):
            cure = "set options.token_file to a file with its bearer token"
            raise SetupError(
                f"refused ({answer.status}): {answer.reason()}", where=self._options.url, cure=cure
            )
        try:
            content = protocol.read_json(answer.body)
        except protocol.ProtocolError:
            content = {}
        cure = f"check that this is the {what}'s HTTP port"
        if answer.status != 200 and isinstance(content.get("error"), str):
            problem = f"{path} answered {answer.status}: {answer.reason()}"
            raise SetupError(problem, where=self._options.url, cure=cure)
        if answer.status != 200 or "name" not in content:
            problem = f"not the Open Inference Protocol: {path} answered {answer.status}, {answer.kind}"
            raise SetupError(problem, where=self._options.url, cure=cure)
        return content

    def _measured_link(self) -> dict[str, float]:
        """Median round trip, and bandwidth if the server has the extension for it."""
        trips = [self._seconds("GET", "/v2/health/live", b"", 0) for _ in range(_ROUND_TRIPS)]
        figures = {"link_round_trip_us": 1e6 * median(trips)}
        extensions = self._server.get("extensions")
        if isinstance(extensions, list) and protocol.LINK_EXTENSION in extensions:
            limit = self._server.get("max_request_bytes")
            size = min(_LINK_BYTES, limit) if type(limit) is int and limit > 0 else _LINK_BYTES
            for name, up, down in (("up", size, 0), ("down", 0, size)):
                seconds = median(self._seconds("POST", protocol.LINK_PATH, bytes(up), down) for _ in range(3))
                transfer = max(seconds - median(trips), 1e-9)
                figures[f"link_{name}_mb_per_s"] = size / _MEGA / transfer
        return figures

    def _seconds(self, method: str, path: str, body: bytes, answer_bytes: int) -> float:
        headers = dict(self._headers)
        if method == "POST":
            headers |= {"Content-Length": str(len(body)), protocol.ANSWER_BYTES: str(answer_bytes)}
        started = time.perf_counter()
        answer = self._connection.request(method, path, [body] if body else [], headers)
        if answer.status != 200:
            raise SetupError(f"{path} answered {answer.status}: {answer.reason()}", where=self._options.url)
        if method == "POST" and len(answer.body) != answer_bytes:
            problem = f"{path} answered {len(answer.body)} bytes, not {answer_bytes}"
            raise SetupError(problem, where=self._options.url)
        return time.perf_counter() - started


def _output(message: protocol.Message, name: str) -> Array:
    """bfloat16 as float32, which is what every adapter gives."""
    array = message.tensors[name]
    return reals_of_bfloat16(array) if message.types[name] == BFLOAT16 else array


def _headers(options: Options) -> dict[str, str]:
    if not options.token_file:
        return {}
    try:
        with open(options.token_file, encoding="ascii") as stream:  # noqa: PTH123
            token = stream.read().strip()
    except (OSError, ValueError) as error:
        raise InputError(f"token_file: {first_line(error)}", where=options.token_file) from None
    if not token or not token.isprintable() or " " in token:
        raise InputError("token_file: is empty", where=options.token_file)
    return {"Authorization": f"Bearer {token}"}


def _check_metadata(metadata: Mapping[str, object], model: Model, options: Options) -> None:
    where = f"{options.url} {options.model_name}"
    inputs, outputs = _tensors(metadata, "inputs"), _tensors(metadata, "outputs")
    names, expected = [name for name, _, _ in inputs], [tensor.name for tensor in model.inputs]
    if sorted(names) != sorted(expected):
        raise InputError(f"its inputs are {quoted(names)}, not {expected}", where=where)
    found = {name: (datatype, shape) for name, datatype, shape in inputs}
    for tensor in model.inputs:
        _check_input(tensor, model.fixed_batch, *found[tensor.name], where=where)
    names = [name for name, _, _ in outputs]
    for name in model.outputs:
        if name not in names:
            raise InputError(f"it has no output '{name}', but {quoted(names)}", where=where)


def _check_input(
    tensor: InputTensor, fixed_batch: Optional[int], datatype: str, shape: list[object], where: str
) -> None:
    """Of sizes only those that the server gives."""
    if datatype != protocol.datatype_of(tensor.dtype):
        raise InputError(f"its input is {shown(datatype, _MOST_TEXT)}, not {tensor.dtype}", where=where)
    axis = tensor.batch_axis
    sizes = [size for place, size in enumerate(shape) if place != axis]
    known = [size for size in sizes if isinstance(size, int) and size > 0]
    if shape and len(known) == len(sizes) and tuple(known) != tuple(tensor.shape):
        raise InputError(f"its samples are {quoted(known)}, not {list(tensor.shape)}", where=where)
    batch = shape[axis] if axis is not None and axis < len(shape) else None
    if isinstance(batch, int) and batch > 0 and batch != fixed_batch:
        expected = [fixed_batch or "batch" if place == axis else size for place, size in enumerate(shape)]
        raise InputError(f"its input is {quoted(shape)}, not {quoted(expected)}", where=where)


def _tensors(metadata: Mapping[str, object], side: str) -> list[tuple[str, str, list[object]]]:
    listed = metadata.get(side)
    tensors = []
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict):
            shape = entry.get("shape")
            tensors.append(
                (
                    shown(entry.get("name"), _MOST_TEXT),
                    shown(entry.get("datatype"), _MOST_TEXT),
                    shape if isinstance(shape, list) else [],
                )
            )
    return tensors
