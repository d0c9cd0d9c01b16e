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
from qutiperf.adapters.base import Array, Arrays, InputTensor
from qutiperf.adapters.protocol import quoted
from qutiperf.device.configuration import MEGA, AnyAdapter, Configuration, adapter_errors
from qutiperf.device.connection import JSON, Connection, RefusedError, whole_number
from qutiperf.device.connection_threads import ConnectionThreads
from qutiperf.element_type import canonical, type_of, zeros

_LOG = logging.getLogger("qutiperf.device")
_MODEL = re.compile(r"^/v2/models/(?P<name>[^/]+)(/versions/(?P<version>[^/]+))?(?P<rest>/ready|/infer)?$")
_VERSION = "1"


class Answered(NamedTuple):
    """Outputs of a batch, with compute time by the device's clock, duration of the call, and waiting time."""

    outputs: Arrays
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
        self._many = model.many
        count = model.fixed_batch or 1
        batch = tuple(zeros(tensor.batched(count), tensor.dtype) for tensor in model.inputs)
        for adapter in adapters:
            with adapter_errors("answer zeros"):
                outputs, compute_ns = self._answer(adapter, batch)
            self._free.put(adapter)
        arrays = [np.asarray(output) for output in outputs]
        self.output_shapes = [_with_batch(array.shape, count, model.fixed_batch or -1) for array in arrays]
        self.output_dtypes = [type_of(array) for array in arrays]
        self.has_clock = compute_ns is not None

    def _answer(self, adapter: AnyAdapter, batch: Arrays) -> tuple[Arrays, Optional[int]]:
        if self._many:
            return adapter.infer_many(batch)
        outputs, compute_ns = adapter.infer(batch[0])
        return (outputs,), compute_ns

    def infer(self, batch: Arrays) -> Answered:
        """An array for each input of the model, answered by one for each output."""
        arrived = time.perf_counter_ns()
        adapter = self._free.get()
        try:
            started = time.perf_counter_ns()
            outputs, compute_ns = self._answer(adapter, batch)
            ended = time.perf_counter_ns()
            if compute_ns is not None:
                compute_ns = index(compute_ns)  # raises TypeError if it is not a whole number
            # copies, as the adapter may reuse its memory for the next request
            kept = tuple(np.array(output) for output in outputs)
        finally:
            self._free.put(adapter)
        return Answered(kept, compute_ns, ended - started, started - arrived)


def _with_batch(shape: tuple[int, ...], count: int, batch: int) -> list[int]:
    """An output's shape, its first size the batch where it was that of the zeros."""
    return [batch, *shape[1:]] if shape[:1] == (count,) else list(shape)


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
                    "name": tensor.name,
                    "datatype": protocol.datatype_of(tensor.dtype),
                    "shape": list(tensor.batched(batch)),
                }
                for tensor in model.inputs
            ],
            "outputs": [
                {"name": name, "datatype": protocol.datatype_of(dtype), "shape": shape}
                for name, dtype, shape in zip(  # noqa: B905 - Python 3.9; one of each
                    model.outputs, instances.output_dtypes, instances.output_shapes
                )
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
        batch, (names, binary) = self._checked(message), self._answered_outputs(message.header)
        try:
            answered = self.server.instances.infer(batch)
        except Exception as error:  # noqa: BLE001 - a runtime may raise anything
            _LOG.exception("the adapter failed")
            raise RefusedError(500, f"the adapter failed: {type(error).__name__}: {error}") from None
        self._send_outputs(message.header, answered, names, binary)

    def _checked(self, message: protocol.Message) -> Arrays:
        """The inputs in the model's order; raises RefusedError for another name, type, shape or batch."""
        model, largest = self.server.configuration.model, self.server.configuration.batch_size
        largest, names = model.fixed_batch or largest, [tensor.name for tensor in model.inputs]
        if sorted(message.tensors) != sorted(names):
            raise RefusedError(400, f"its inputs are {quoted(list(message.tensors))}, not {names}")
        counts = list[int]()
        for tensor in model.inputs:
            array = message.tensors[tensor.name]
            kind = message.types[tensor.name]
            if kind != canonical(tensor.dtype):
                raise RefusedError(400, f"input '{tensor.name}' is {kind}, not {tensor.dtype}")
            counts += _count(array, tensor, largest)
        if len(set(counts)) > 1:
            raise RefusedError(400, f"its inputs have batches of {quoted(counts)}")
        return tuple(message.tensors[name] for name in names)

    def _answered_outputs(self, header: protocol.Header) -> tuple[list[str], bool]:
        """The outputs to send, and whether as bytes; raises RefusedError for an output that is not there."""
        known = list(self.server.configuration.model.outputs)
        listed = header.get("outputs") or [{"name": name} for name in known]
        if not isinstance(header.get("id", ""), str):
            raise RefusedError(400, f"its id is {quoted(header['id'])}, not text")
        outputs = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        names = [name for each in outputs if isinstance(name := each.get("name"), str)]
        fits = isinstance(listed, list) and len(names) == len(listed) and len(set(names)) == len(names)
        if not fits or not names or any(name not in known for name in names):
            raise RefusedError(400, f"its outputs are not {known}")
        return names, all(_asks_binary(header, each) for each in outputs)

    def _send_outputs(
        self, header: protocol.Header, answered: Answered, names: list[str], binary: bool
    ) -> None:
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
        outputs = dict(zip(self.server.configuration.model.outputs, answered.outputs))  # noqa: B905
        try:
            length, parts = protocol.encode(
                answer, "outputs", [(name, outputs[name]) for name in names], binary
            )
        except protocol.ProtocolError as error:  # an error of the adapter, not of the request
            raise RefusedError(500, str(error)) from None
        kind = "application/octet-stream" if binary else "application/json"
        extra = {protocol.HEADER_LENGTH: str(length)} if binary else {}
        self.send(200, parts, {"Content-Type": kind, **extra})


def _count(array: Array, tensor: InputTensor, largest: int) -> list[int]:
    """The batch of an input, nothing where it has none; raises RefusedError for another shape."""
    axis, shape = tensor.batch_axis, list(tensor.shape)
    if axis is not None:
        shape.insert(axis, 0)
    others = [size for place, size in enumerate(array.shape) if place != axis]
    same = array.ndim == len(shape) and others == list(tensor.shape)
    if same and (axis is None or 0 < array.shape[axis] <= largest):
        return [] if axis is None else [int(array.shape[axis])]
    sizes = [f"1 to {largest}" if place == axis else str(size) for place, size in enumerate(shape)]
    problem = f"input '{tensor.name}' is {quoted(list(array.shape))}, not [{', '.join(sizes)}]"
    raise RefusedError(400, problem)


def _asks_binary(header: protocol.Header, output: dict[str, object]) -> bool:
    own, all_outputs = output.get("parameters"), header.get("parameters")
    if isinstance(own, dict) and "binary_data" in own:
        return bool(own["binary_data"])
    return isinstance(all_outputs, dict) and bool(all_outputs.get("binary_data_output"))
