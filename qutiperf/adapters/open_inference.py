"""A device behind the Open Inference Protocol (KServe v2): qutiperf's own device server, Triton, MLServer...

One keep-alive connection an instance, one request a batch. Nothing is cached, joined or preprocessed on
this side, as MLPerf's network division asks of it.
"""

from __future__ import annotations

import http.client
import json
import select
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Optional
from urllib.parse import quote, urlsplit

from qutiperf.adapters import protocol
from qutiperf.adapters.base import Adapter, Array, Completion, Model
from qutiperf.errors import InputError, RunError, SetupError

_MEGA = 1_000_000
_ROUND_TRIPS = 20
_LINK_BYTES = 4 * _MEGA
_ONE_SEND = 1 << 16  # smaller requests leave in one piece
_LOST = (ConnectionError, http.client.RemoteDisconnected, http.client.BadStatusLine)


@dataclass(frozen=True)
class Options:
    """`retries` is how often a request is sent again when its connection was lost; each one is counted.

    `token_file` holds the bearer token, `ca_file` certificates to trust beside the system's; none if
    empty. `model_version` is the server's choice if empty. Without `binary` numbers travel as JSON.
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
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url '{self.url}' is no http://host:port or https://host:port")
        if self.timeout_s <= 0 or self.retries < 0 or self.max_request_mb <= 0:
            raise ValueError("timeout_s and max_request_mb are above 0, retries at least 0")


class HttpAnswer:
    """An HTTP answer, read to its end."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.body = response.status, response.read()
        self.kind = response.headers.get_content_type()
        self.header_length = response.headers.get(protocol.HEADER_LENGTH)

    def reason(self) -> str:
        """The server's own words, on one line."""
        try:
            told = json.loads(self.body)
            text = str(told.get("error", told)) if isinstance(told, dict) else str(told)
        except ValueError:
            text = self.body[:100].decode("ascii", "replace")
        return " ".join(text.split())[:300]


class OpenInference(Adapter[Options]):
    """Compute times are the server's own, where it gives them as `compute_ns`."""

    options_type = Options
    over_network = True

    def load(self, model: Model, options: Options) -> None:
        self._model, self._options = model, options
        self._connection: Optional[http.client.HTTPConnection] = None
        self._headers = _headers(options)
        self._sent = 0
        version = f"/versions/{quote(options.model_version)}" if options.model_version else ""
        self._path = f"/v2/models/{quote(options.model_name)}{version}"
        try:
            self._greet(model, options)
        except BaseException:
            self.close()
            raise

    def _greet(self, model: Model, options: Options) -> None:
        """Asks the server what it is and holds its model against ours; measures the link."""
        self._server = self._json("/v2", "server")
        metadata = self._metadata()
        _check_metadata(metadata, model, options)
        found = metadata.get("parameters")
        self._told: Mapping[str, object] = found if isinstance(found, dict) else {}
        self._platform = str(metadata.get("platform", "unknown"))
        self._link = self._measured_link()
        self.tune(1)

    def tune(self, batch_size: int) -> None:
        largest = self._told.get("max_batch_size")
        if isinstance(largest, int) and batch_size > largest > 0:
            cure = f"serve it with --batch-size {batch_size}"
            raise InputError(
                f"it takes batches up to {largest}, not {batch_size}", where=self._where, cure=cure
            )
        self._retries = self._reconnections = 0

    def infer(self, batch: Array) -> tuple[Array, Optional[int]]:
        self._sent += 1
        header: protocol.Header = {"id": str(self._sent)}
        if self._options.binary:
            header["parameters"] = {"binary_data_output": True}
        length, parts = protocol.encode(
            header, "inputs", [(self._model.input_name, batch)], self._options.binary
        )
        size = sum(len(part) for part in parts)
        if size > self._options.max_request_mb * _MEGA:
            problem = f"a batch of {len(batch)} is a request of {size / _MEGA:.3g} MB"
            raise RunError(problem, where=self._where, cure="raise max_request_mb or lower batch_size")
        kind = "application/octet-stream" if self._options.binary else "application/json"
        headers = {**self._headers, "Content-Type": kind, "Content-Length": str(size)}
        if self._options.binary:
            headers[protocol.HEADER_LENGTH] = str(length)
        started = time.perf_counter_ns()
        answer = self._request("POST", f"{self._path}/infer", parts, headers)
        wall_ns = time.perf_counter_ns() - started
        if answer.status != 200:
            raise RunError(
                f"answered {answer.status}: {answer.reason()}", where=self._where, cure=self._binary_hint()
            )
        return self._outputs(answer, len(batch), wall_ns)

    def _outputs(self, answer: HttpAnswer, count: int, wall_ns: int) -> Completion:
        text = answer.header_length
        try:
            length = int(text) if text is not None else None
            message = protocol.decode(answer.body, length, "outputs")
        except ValueError as error:
            raise RunError(f"its answer is not the protocol's: {error}", where=self._where) from None
        told = message.header.get("id")
        if told is not None and told != str(self._sent):
            problem = f"it answered request {told!r} where {self._sent} was asked"
            raise RunError(problem, where=self._where, cure="answers were mixed up")
        outputs = message.tensors.get(self._model.output_name)
        if outputs is None:
            problem = f"it answered {list(message.tensors)}, not '{self._model.output_name}'"
            raise RunError(problem, where=self._where)
        if outputs.ndim == 0 or len(outputs) != count:
            raise RunError(f"it answered {list(outputs.shape)} for {count} samples", where=self._where)
        return Completion(outputs, _compute_ns(message.header, wall_ns))

    def _binary_hint(self) -> str:
        extensions = self._server.get("extensions")
        told = isinstance(extensions, list) and protocol.BINARY_EXTENSION in extensions
        return (
            "" if told or not self._options.binary else "it announces no binary tensors: set binary to false"
        )

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def describe(self) -> dict[str, str]:
        name, version = self._server.get("name", "unknown"), self._server.get("version", "unknown")
        far = {f"far_{key}": str(value) for key, value in self._told.items()}
        url = urlsplit(self._options.url)
        return {
            "server": f"{name} {version}",
            "url": f"{url.scheme}://{url.hostname}:{url.port or (443 if url.scheme == 'https' else 80)}",
            "platform": self._platform,
            "protocol": "Open Inference Protocol (KServe v2) over HTTP/1.1",
            "tensors": "binary" if self._options.binary else "JSON",
            **far,
        }

    def figures(self) -> dict[str, float]:
        return {"retries": self._retries, "reconnections": self._reconnections, **self._link}

    @property
    def _where(self) -> str:
        return f"{self._options.url} {self._options.model_name}"

    def _metadata(self) -> Mapping[str, object]:
        ready = self._request("GET", f"{self._path}/ready", [], self._headers)
        if ready.status == 200:
            return self._json(self._path, "model")
        listed = self._request("GET", "/v2/models", [], self._headers)
        names = f"; it has {listed.reason()}" if listed.status == 200 else ""
        problem = f"no model '{self._options.model_name}' is ready: {ready.status} {ready.reason()}{names}"
        raise InputError(problem, where=self._options.url, cure="set options.model_name")

    def _json(self, path: str, what: str) -> Mapping[str, object]:
        """A JSON object; raises SetupError where something else answers."""
        answer = self._request("GET", path, [], self._headers)
        if answer.status in (401, 403):
            cure = "set options.token_file to a file with its bearer token"
            raise SetupError(
                f"refused ({answer.status}): {answer.reason()}", where=self._options.url, cure=cure
            )
        try:
            found = protocol.read_json(answer.body)
        except protocol.ProtocolError:
            found = {}
        if answer.status != 200 or "name" not in found:
            problem = f"no Open Inference Protocol: {path} answered {answer.status}, {answer.kind}"
            raise SetupError(problem, where=self._options.url, cure=f"is this the {what}'s HTTP port?")
        return found

    def _request(
        self,
        method: str,
        path: str,
        parts: list[protocol.Buffer],
        headers: Mapping[str, str],
    ) -> HttpAnswer:
        """Sends again as often as `retries` allows where the connection is lost, never for another reason."""
        left = self._options.retries
        while True:
            try:
                return self._once(method, path, parts, headers)
            except _LOST as error:
                self.close()
                if left == 0 or self._sent == 0:
                    raise RunError(f"connection lost: {_first_line(error)}", where=self._where) from None
                left -= 1
                self._retries += 1
            except (TimeoutError, socket.timeout):  # noqa: UP041 - they differ before Python 3.10
                self.close()  # so that a late answer is never taken for the next one
                seconds = self._options.timeout_s
                raise RunError(f"no answer within {seconds:g} s (timeout_s)", where=self._where) from None
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.close()
                raise RunError(f"its answer is no HTTP: {_first_line(error)}", where=self._where) from None

    def _once(
        self,
        method: str,
        path: str,
        parts: list[protocol.Buffer],
        headers: Mapping[str, str],
    ) -> HttpAnswer:
        if self._connection is not None and (
            self._connection.sock is None or _is_closed(self._connection.sock)
        ):
            self.close()
        if self._connection is None:
            self._connection = self._connected()
            if self._sent > 1:
                self._reconnections += 1
        connection = self._connection
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if sum(len(part) for part in parts) < _ONE_SEND:
            connection.endheaders(b"".join(parts))
        else:
            connection.endheaders(parts[0])
            for part in parts[1:]:
                connection.send(part)
        return HttpAnswer(connection.getresponse())

    def _connected(self) -> http.client.HTTPConnection:
        """A new connection; raises SetupError with what is wrong."""
        parts = urlsplit(self._options.url)
        host, port = str(parts.hostname), parts.port
        timeout = self._options.timeout_s
        where = self._options.url
        try:
            if parts.scheme == "https":
                context = ssl.create_default_context(cafile=self._options.ca_file or None)
                connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                    host, port, timeout=timeout, context=context
                )
            else:
                connection = http.client.HTTPConnection(host, port, timeout=timeout)
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            cure = "set options.ca_file to the certificate that signed it"
            raise SetupError(
                f"its certificate is not trusted: {error.verify_message}", where=where, cure=cure
            ) from None
        except ssl.SSLError as error:
            cure = "does it speak plain http://?"
            raise SetupError(
                f"no TLS: {error.reason or _first_line(error)}", where=where, cure=cure
            ) from None
        except OSError as error:
            cure = "is the server started there, and its port open?"
            raise SetupError(f"unreachable: {_first_line(error)}", where=where, cure=cure) from None
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _measured_link(self) -> dict[str, float]:
        """Median round trip, and bandwidth where the server has the extension for it."""
        trips = [self._seconds("GET", "/v2/health/live", b"", 0) for _ in range(_ROUND_TRIPS)]
        found = {"link_round_trip_us": 1e6 * median(trips)}
        extensions = self._server.get("extensions")
        if isinstance(extensions, list) and protocol.LINK_EXTENSION in extensions:
            limit = self._server.get("max_request_bytes")
            size = min(_LINK_BYTES, limit) if isinstance(limit, int) else _LINK_BYTES
            for name, up, down in (("up", size, 0), ("down", 0, size)):
                seconds = median(self._seconds("POST", protocol.LINK_PATH, bytes(up), down) for _ in range(3))
                transfer = max(seconds - median(trips), 1e-9)
                found[f"link_{name}_mb_per_s"] = size / _MEGA / transfer
        return found

    def _seconds(self, method: str, path: str, body: bytes, answer_bytes: int) -> float:
        headers = dict(self._headers)
        if method == "POST":
            headers |= {"Content-Length": str(len(body)), protocol.ANSWER_BYTES: str(answer_bytes)}
        started = time.perf_counter()
        answer = self._request(method, path, [body] if body else [], headers)
        if answer.status != 200:
            raise SetupError(f"{path} answered {answer.status}: {answer.reason()}", where=self._options.url)
        return time.perf_counter() - started


def _headers(options: Options) -> dict[str, str]:
    if not options.token_file:
        return {}
    try:
        with open(options.token_file, encoding="ascii") as stream:  # noqa: PTH123
            token = stream.read().strip()
    except (OSError, ValueError) as error:
        raise InputError(f"token_file: {_first_line(error)}", where=options.token_file) from None
    if not token or not token.isprintable() or " " in token:
        raise InputError("token_file: holds no token", where=options.token_file)
    return {"Authorization": f"Bearer {token}"}


def _is_closed(sock: socket.socket) -> bool:
    """Whether the server has ended the connection; raises HTTPException if unasked bytes lie in it."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    if not poll.poll(0):
        return False
    if sock.recv(1):
        raise http.client.HTTPException("bytes follow its last answer")
    return True


def _compute_ns(header: protocol.Header, wall_ns: int) -> Optional[int]:
    parameters = header.get("parameters")
    found = parameters.get(protocol.COMPUTE_NS) if isinstance(parameters, dict) else None
    return found if type(found) is int and 0 <= found <= wall_ns else None


def _check_metadata(metadata: Mapping[str, object], model: Model, options: Options) -> None:
    where = f"{options.url} {options.model_name}"
    inputs, outputs = _tensors(metadata, "inputs"), _tensors(metadata, "outputs")
    if [name for name, _, _ in inputs] != [model.input_name]:
        names = [name for name, _, _ in inputs]
        raise InputError(f"its inputs are {names}, not ['{model.input_name}']", where=where)
    _, datatype, shape = inputs[0]
    if datatype != protocol.datatype_of(model.input_dtype):
        raise InputError(f"its input is {datatype}, not {model.input_dtype}", where=where)
    known = [size for size in shape[1:] if isinstance(size, int) and size > 0]
    if shape and len(known) == len(shape) - 1 and tuple(known) != tuple(model.input_shape):
        raise InputError(f"its samples are {known}, not {list(model.input_shape)}", where=where)
    if model.output_name not in [name for name, _, _ in outputs]:
        names = [name for name, _, _ in outputs]
        raise InputError(f"it has no output '{model.output_name}', but {names}", where=where)


def _tensors(metadata: Mapping[str, object], side: str) -> list[tuple[str, str, list[object]]]:
    listed = metadata.get(side)
    found = []
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict):
            shape = entry.get("shape")
            found.append(
                (str(entry.get("name")), str(entry.get("datatype")), shape if isinstance(shape, list) else [])
            )
    return found


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return (text.splitlines()[0] if text else type(error).__name__)[:200]
