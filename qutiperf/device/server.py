"""An HTTP/1.1 server that exposes loaded adapters over the Open Inference Protocol.

One thread per connection. A request uses a free adapter instance or waits for one, and its answer includes
the waiting time. The server answers adapter errors and continues.
"""

from __future__ import annotations

import json
import logging
import re
import time
from operator import index
from queue import SimpleQueue
from typing import NamedTuple, Optional
from urllib.parse import unquote

import numpy as np

from qutiperf import __version__
from qutiperf.adapters import protocol
from qutiperf.adapters.base import Array
from qutiperf.adapters.protocol import quoted
from qutiperf.device.configuration import MEGA, AnyAdapter, Configuration, adapter_errors
from qutiperf.device.connection import JSON, Connection, RefusedError, whole_number
from qutiperf.device.connection_threads import ConnectionThreads

_LOG = logging.getLogger("qutiperf.device")
_MODEL = re.compile(r"^/v2/models/(?P<name>[^/]+)(/versions/(?P<version>[^/]+))?(?P<rest>/ready|/infer)?$")
_VERSION = "1"


class Answered(NamedTuple):
    """Outputs of a batch, with compute time by the device's clock, duration of the call, and waiting time."""

    outputs: Array
    compute_ns: Optional[int]
    infer_ns: int
    queue_ns: int


class Instances:
    """Loaded adapters that take turns."""

    def __init__(self, adapters: list[AnyAdapter], configuration: Configuration) -> None:
        """Calls each instance once with zeros, so that first-call preparation is done before requests."""
        self._free: SimpleQueue[AnyAdapter] = SimpleQueue()
        self.described = adapters[0].describe()
        model = configuration.model
        zeros = np.zeros((model.fixed_batch or 1, *model.input_shape), model.input_dtype)
        for adapter in adapters:
            with adapter_errors("answer zeros"):
                outputs, compute_ns = adapter.infer(zeros)
            self._free.put(adapter)
        self.output_shape = tuple(np.shape(outputs))[1:]
        self.output_dtype = np.asarray(outputs).dtype.name
        self.has_clock = compute_ns is not None

    def infer(self, batch: Array) -> Answered:
        arrived = time.perf_counter_ns()
        adapter = self._free.get()
        try:
            started = time.perf_counter_ns()
            outputs, compute_ns = adapter.infer(batch)
            ended = time.perf_counter_ns()
            if compute_ns is not None:
                compute_ns = index(compute_ns)  # raises TypeError if it is not a whole number
            kept = np.array(outputs)  # the adapter may reuse its memory for the next request
        finally:
            self._free.put(adapter)
        return Answered(kept, compute_ns, ended - started, started - arrived)


class DeviceServer(ConnectionThreads):
    """Serves until `shutdown`; raises SetupError if it cannot listen, InputError for its files."""

    def __init__(self, configuration: Configuration, adapters: list[AnyAdapter]) -> None:
        self.instances = Instances(adapters, configuration)
        super().__init__(configuration, Handler)


class Handler(Connection):
    """The protocol's paths."""

    server: DeviceServer

    def answer_get(self) -> None:
        path = self.path.split("?")[0].rstrip("/")
        if path == "/v2":
            extensions = [protocol.BINARY_EXTENSION, protocol.LINK_EXTENSION]
            limit = int(self.server.configuration.max_request_mb * MEGA)
            content: object = {
                "name": "qutiperf",
                "version": __version__,
                "extensions": extensions,
                "max_request_bytes": limit,
            }
        elif path in ("/v2/health/live", "/v2/health/ready"):
            content = {"live": True} if path.endswith("live") else {"ready": True}
        elif path == "/v2/models":
            content = {"models": [{"name": self.server.configuration.model_name}]}
        else:
            rest = self._model(path)
            if rest == "/infer":
                raise RefusedError(405, "infer needs a POST")
            content = (
                {"name": self.server.configuration.model_name, "ready": True} if rest else self._metadata()
            )
        self.send(200, [json.dumps(content).encode()], JSON)

    def _model(self, path: str) -> str:
        """The part after the model's name; raises RefusedError for an unknown path, model or version."""
        match = _MODEL.match(path)
        name = self.server.configuration.model_name
        if match is None:
            raise RefusedError(404, f"there is nothing at {path[:100] or '/'}")
        if unquote(match["name"]) != name:
            raise RefusedError(404, f"no model {quoted(unquote(match['name']))}, only '{name}'")
        if match["version"] not in (None, _VERSION):
            raise RefusedError(404, f"no version {quoted(match['version'])}, only '{_VERSION}'")
        return match["rest"] or ""

    def _metadata(self) -> dict[str, object]:
        configuration, instances = self.server.configuration, self.server.instances
        model, batch = configuration.model, configuration.model.fixed_batch or -1
        return {
            "name": configuration.model_name,
            "versions": [_VERSION],
            "platform": f"qutiperf_{configuration.adapter.rsplit('/', 1)[-1]}",
            "inputs": [
                {
                    "name": model.input_name,
                    "datatype": protocol.datatype_of(model.input_dtype),
                    "shape": [batch, *model.input_shape],
                }
            ],
            "outputs": [
                {
                    "name": model.output_name,
                    "datatype": protocol.datatype_of(instances.output_dtype),
                    "shape": [batch, *instances.output_shape],
                }
            ],
            "parameters": {
                "max_batch_size": model.fixed_batch or configuration.batch_size,
                "streams": configuration.streams,
                "compute_clock": "device" if instances.has_clock else "host_wall",
                **instances.described,
            },
        }

    def answer_post(self) -> None:
        path = self.path.split("?")[0]
        body = self.read_body()  # before any refusal, so that the connection stays usable
        if path == protocol.LINK_PATH:
            self._answer_link()
        elif self._model(path) == "/infer":
            self._answer_infer(body)
        else:
            raise RefusedError(405, f"{path[:100]} needs a GET")

    def _answer_link(self) -> None:
        """Measures the link: discards the body and answers with the number of zeros that it requests."""
        size = whole_number(self.headers.get(protocol.ANSWER_BYTES, "0"), protocol.ANSWER_BYTES)
        limit = self.server.configuration.max_request_mb * MEGA
        if size > limit:
            raise RefusedError(400, f"{protocol.ANSWER_BYTES}: {size} is above {limit:.0f}")
        self.send(200, [bytes(size)], {"Content-Type": "application/octet-stream"})

    def _answer_infer(self, body: bytes) -> None:
        text = self.headers.get(protocol.HEADER_LENGTH)
        length = None if text is None else whole_number(text, protocol.HEADER_LENGTH)
        message = protocol.decode(body, length, "inputs")
        batch, binary = self._checked(message), self._takes_binary(message.header)
        try:
            answered = self.server.instances.infer(batch)
        except Exception as error:  # noqa: BLE001 - a runtime may raise anything
            _LOG.exception("the adapter failed")
            raise RefusedError(500, f"the adapter failed: {type(error).__name__}: {error}") from None
        self._send_outputs(message.header, answered, binary)

    def _checked(self, message: protocol.Message) -> Array:
        model, limit = self.server.configuration.model, self.server.configuration.batch_size
        if list(message.tensors) != [model.input_name]:
            raise RefusedError(
                400, f"its inputs are {quoted(list(message.tensors))}, not ['{model.input_name}']"
            )
        batch = message.tensors[model.input_name]
        if batch.dtype != np.dtype(model.input_dtype):
            raise RefusedError(400, f"input '{model.input_name}' is {batch.dtype}, not {model.input_dtype}")
        if batch.shape[1:] != tuple(model.input_shape) or not 0 < len(batch) <= (model.fixed_batch or limit):
            largest = model.fixed_batch or limit
            allowed = f"[1 to {largest}, {', '.join(map(str, model.input_shape))}]"
            raise RefusedError(
                400, f"input '{model.input_name}' is {quoted(list(batch.shape))}, not {allowed}"
            )
        return batch

    def _takes_binary(self, header: protocol.Header) -> bool:
        """True if the output is sent as bytes; raises RefusedError if the request names another output."""
        name = self.server.configuration.model.output_name
        listed = header.get("outputs") or [{"name": name}]
        output = listed[0] if isinstance(listed, list) and len(listed) == 1 else None
        if not isinstance(header.get("id", ""), str):
            raise RefusedError(400, f"its id is {quoted(header['id'])}, not text")
        if not isinstance(output, dict) or output.get("name") != name:
            raise RefusedError(400, f"its outputs are not ['{name}']")
        return _asks_binary(header, output)

    def _send_outputs(self, header: protocol.Header, answered: Answered, binary: bool) -> None:
        clocked = answered.infer_ns if answered.compute_ns is None else answered.compute_ns
        answer: protocol.Header = {
            "model_name": self.server.configuration.model_name,
            "model_version": _VERSION,
            "parameters": {
                protocol.COMPUTE_NS: clocked,
                "infer_ns": answered.infer_ns,
                "queue_ns": answered.queue_ns,
            },
        }
        if "id" in header:
            answer["id"] = header["id"]
        name = self.server.configuration.model.output_name
        try:
            length, parts = protocol.encode(answer, "outputs", [(name, answered.outputs)], binary)
        except protocol.ProtocolError as error:  # an error of the adapter, not of the request
            raise RefusedError(500, str(error)) from None
        kind = "application/octet-stream" if binary else "application/json"
        extra = {protocol.HEADER_LENGTH: str(length)} if binary else {}
        self.send(200, parts, {"Content-Type": kind, **extra})


def _asks_binary(header: protocol.Header, output: dict[str, object]) -> bool:
    own, all_outputs = output.get("parameters"), header.get("parameters")
    if isinstance(own, dict) and "binary_data" in own:
        return bool(own["binary_data"])
    return isinstance(all_outputs, dict) and bool(all_outputs.get("binary_data_output"))
