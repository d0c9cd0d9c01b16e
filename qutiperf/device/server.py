"""An HTTP/1.1 server that exposes loaded adapters over the Open Inference Protocol.

One thread a connection; a request takes a free adapter instance, waits for one if there is none, and says
how long it waited. The adapter's errors are answers, they do not end the server.
"""

from __future__ import annotations

import hmac
import json
import logging
import re
import socket
import ssl
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from typing import NamedTuple, Optional

import numpy as np

from qutiperf import __version__
from qutiperf.adapters import protocol
from qutiperf.adapters.base import Array
from qutiperf.device.configuration import MEGA, AnyAdapter, Configuration
from qutiperf.errors import InputError, SetupError

_LOG = logging.getLogger("qutiperf.device")
_MODEL = re.compile(r"^/v2/models/(?P<name>[^/]+)(/versions/(?P<version>[^/]+))?(?P<rest>/ready|/infer)?$")
_VERSION = "1"
_SLOW_READ_S = 60.0
_MOST_DRAINED = 1 << 30
_JSON = {"Content-Type": "application/json"}


class Answered(NamedTuple):
    """Outputs of a batch and its times: compute by the device's clock, the call's, and the wait before."""

    outputs: Array
    compute_ns: Optional[int]
    infer_ns: int
    queue_ns: int


class RefusedError(Exception):
    """A request that is answered with an HTTP status and a reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Instances:
    """Loaded adapters that take turns."""

    def __init__(self, adapters: list[AnyAdapter], configuration: Configuration) -> None:
        """Each answers one sample of zeros first: what it prepares at the first call is done then."""
        self._free: SimpleQueue[AnyAdapter] = SimpleQueue()
        self.described = adapters[0].describe()
        model = configuration.model
        zeros = np.zeros((model.fixed_batch or 1, *model.input_shape), model.input_dtype)
        for adapter in adapters:
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
            kept = np.array(outputs)  # the adapter may use its memory again for the next request
        finally:
            self._free.put(adapter)
        return Answered(kept, compute_ns, ended - started, started - arrived)


class DeviceServer(ThreadingHTTPServer):
    """Serves until `shutdown`; raises SetupError if it cannot listen, InputError for its files."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, configuration: Configuration, adapters: list[AnyAdapter]) -> None:
        self.configuration = configuration
        self.instances = Instances(adapters, configuration)
        self.token = _read_token(configuration.token_file)
        self._tls = _tls_of(configuration)
        address = (configuration.host, configuration.port)
        try:
            super().__init__(address, Handler)
        except (OSError, OverflowError) as error:
            where = f"{configuration.host}:{configuration.port}"
            raise SetupError(f"cannot listen: {error}", where=where, cure="give another port") from None

    @property
    def url(self) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{self.configuration.host}:{self.server_port}"

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:  # the handshake happens in the connection's own thread
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request: object, client_address: object) -> None:
        _LOG.info("connection of %s ended", client_address, exc_info=True)


def _read_token(path: str) -> bytes:
    if not path:
        return b""
    try:
        with open(path, "rb") as stream:  # noqa: PTH123
            token = stream.read().strip()
    except OSError as error:
        raise InputError(f"token_file: {error.strerror}", where=path) from None
    if not token:
        raise InputError("token_file: is empty", where=path)
    return token


def _tls_of(configuration: Configuration) -> Optional[ssl.SSLContext]:
    if not configuration.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(configuration.certificate, configuration.key or None)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"certificate or key: {error}", where=configuration.certificate) from None
    return context


class Handler(BaseHTTPRequestHandler):
    """The protocol's paths."""

    server: DeviceServer
    protocol_version = "HTTP/1.1"
    server_version = f"qutiperf/{__version__}"
    wbufsize = 1 << 16  # an answer leaves in as few packets as it can

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(self.server.configuration.idle_timeout_s)

    def do_GET(self) -> None:
        self._guarded(self._get)

    def do_POST(self) -> None:
        self._guarded(self._post)

    def _guarded(self, answer: object) -> None:
        try:
            self._authorise()
            answer()  # type: ignore[operator]  # a bound method of this class
        except RefusedError as refused:
            self._refuse(refused.status, str(refused))
        except protocol.ProtocolError as error:
            self._refuse(400, str(error))

    def _refuse(self, status: int, reason: str) -> None:
        body = json.dumps({"error": reason}).encode()
        if status in (401, 411, 413):
            self.close_connection = True  # its body was not read
        self._send(status, [body], _JSON)

    def _send(self, status: int, parts: list[protocol.Buffer], headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(sum(len(part) for part in parts)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        for part in parts:
            self.wfile.write(part)

    def _authorise(self) -> None:
        token = self.server.token
        given = self.headers.get("Authorization", "").encode()
        if token and not hmac.compare_digest(given, b"Bearer " + token):
            raise RefusedError(401, "the bearer token is missing or wrong")

    def _get(self) -> None:
        path = self.path.split("?")[0].rstrip("/")
        if path == "/v2":
            extensions = [protocol.BINARY_EXTENSION, protocol.LINK_EXTENSION]
            limit = int(self.server.configuration.max_request_mb * MEGA)
            found: object = {
                "name": "qutiperf",
                "version": __version__,
                "extensions": extensions,
                "max_request_bytes": limit,
            }
        elif path in ("/v2/health/live", "/v2/health/ready"):
            found = {"live": True} if path.endswith("live") else {"ready": True}
        elif path == "/v2/models":
            found = {"models": [{"name": self.server.configuration.model_name}]}
        else:
            rest = self._model(path)
            if rest == "/infer":
                raise RefusedError(405, "infer takes a POST")
            found = (
                {"name": self.server.configuration.model_name, "ready": True} if rest else self._metadata()
            )
        self._send(200, [json.dumps(found).encode()], _JSON)

    def _model(self, path: str) -> str:
        """What follows the model's name; raises RefusedError for another path, model or version."""
        match = _MODEL.match(path)
        name = self.server.configuration.model_name
        if match is None:
            raise RefusedError(404, f"there is nothing at {path[:100]}")
        if match["name"] != name:
            raise RefusedError(404, f"no model '{match['name']}', only '{name}'")
        if match["version"] not in (None, _VERSION):
            raise RefusedError(404, f"no version '{match['version']}', only '{_VERSION}'")
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

    def _post(self) -> None:
        path = self.path.split("?")[0]
        if path == protocol.LINK_PATH:
            self._answer_link()
            return
        body = self._body()  # read before anything is refused: the connection stays usable
        if self._model(path) != "/infer":
            raise RefusedError(405, f"{path[:100]} takes a GET")
        self._answer_infer(body)

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            raise RefusedError(411, "a request needs a Content-Length")
        limit = self.server.configuration.max_request_mb * MEGA
        if int(length) > limit:
            raise RefusedError(
                413, f"the request has {length} bytes, the limit is {limit:.0f} (max_request_mb)"
            )
        self.connection.settimeout(_SLOW_READ_S)
        body = self.rfile.read(int(length))
        self.connection.settimeout(self.server.configuration.idle_timeout_s)
        if len(body) < int(length):
            self.close_connection = True
            raise RefusedError(400, "the request ended early")
        return body

    def _drain(self, length: int) -> None:
        """Reads a body away, so that its sender gets the answer instead of a broken connection."""
        left = min(length, _MOST_DRAINED)
        while left > 0:
            chunk = self.rfile.read(min(left, 1 << 20))
            if not chunk:
                return
            left -= len(chunk)

    def _answer_link(self) -> None:
        """How fast the link is: takes the body, answers with as many zeros as were asked for."""
        self._body()
        asked = self.headers.get(protocol.ANSWER_BYTES, "0")
        limit = self.server.configuration.max_request_mb * MEGA
        if not asked.isdigit() or int(asked) > limit:
            raise RefusedError(400, f"{protocol.ANSWER_BYTES}: {asked[:20]} is no number up to {limit:.0f}")
        self._send(200, [bytes(int(asked))], {"Content-Type": "application/octet-stream"})

    def _answer_infer(self, body: bytes) -> None:
        text = self.headers.get(protocol.HEADER_LENGTH)
        if text is not None and not text.isdigit():
            raise RefusedError(400, f"{protocol.HEADER_LENGTH}: {text[:20]} is no number")
        message = protocol.decode(body, int(text) if text is not None else None, "inputs")
        batch = self._checked(message)
        try:
            answered = self.server.instances.infer(batch)
        except Exception as error:  # noqa: BLE001 - whatever a runtime raises, the server goes on
            _LOG.exception("the adapter failed")
            raise RefusedError(500, f"the adapter failed: {type(error).__name__}: {error}") from None
        self._send_outputs(message.header, answered)

    def _checked(self, message: protocol.Message) -> Array:
        model, limit = self.server.configuration.model, self.server.configuration.batch_size
        if list(message.tensors) != [model.input_name]:
            raise RefusedError(400, f"its inputs are {list(message.tensors)}, not ['{model.input_name}']")
        batch = message.tensors[model.input_name]
        if batch.dtype != np.dtype(model.input_dtype):
            raise RefusedError(400, f"input '{model.input_name}' is {batch.dtype}, not {model.input_dtype}")
        if batch.shape[1:] != tuple(model.input_shape) or not 0 < len(batch) <= (model.fixed_batch or limit):
            largest = model.fixed_batch or limit
            wanted = f"[1 to {largest}, {', '.join(map(str, model.input_shape))}]"
            raise RefusedError(400, f"input '{model.input_name}' is {list(batch.shape)}, not {wanted}")
        return batch

    def _send_outputs(self, header: protocol.Header, answered: Answered) -> None:
        name = self.server.configuration.model.output_name
        listed = header.get("outputs") or [{"name": name}]
        asked = listed[0] if isinstance(listed, list) and len(listed) == 1 else None
        if not isinstance(asked, dict) or asked.get("name") != name:
            raise RefusedError(400, f"its outputs are not ['{name}']")
        binary = _asks_binary(header, asked)
        clocked = answered.infer_ns if answered.compute_ns is None else answered.compute_ns
        told: protocol.Header = {
            "model_name": self.server.configuration.model_name,
            "model_version": _VERSION,
            "parameters": {
                protocol.COMPUTE_NS: clocked,
                "infer_ns": answered.infer_ns,
                "queue_ns": answered.queue_ns,
            },
        }
        if "id" in header:
            told["id"] = header["id"]
        length, parts = protocol.encode(told, "outputs", [(name, answered.outputs)], binary)
        kind = "application/octet-stream" if binary else "application/json"
        extra = {protocol.HEADER_LENGTH: str(length)} if binary else {}
        self._send(200, parts, {"Content-Type": kind, **extra})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in http.server
        _LOG.debug(format, *args)


def _asks_binary(header: protocol.Header, output: dict[str, object]) -> bool:
    own, all_outputs = output.get("parameters"), header.get("parameters")
    if isinstance(own, dict) and "binary_data" in own:
        return bool(own["binary_data"])
    return isinstance(all_outputs, dict) and bool(all_outputs.get("binary_data_output"))
