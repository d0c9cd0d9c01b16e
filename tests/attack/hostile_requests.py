"""Requests to the device server, and the statuses that they deserve."""

import json

INFER = "/v2/models/model/infer"
MEBIBYTE = 1 << 20
Case = tuple[bytes, tuple[int, ...]]
_BAD = (400,)


def infer(**changes: object) -> bytes:
    """The body of a good request for one sample, with other keys in its tensor."""
    tensor = {"name": "image", "shape": [1, 1, 8, 8], "datatype": "FP32", "data": [0.5] * 64}
    return json.dumps({"inputs": [tensor | changes]}).encode()


def post(body: bytes, headers: str = "", length: str | None = None, path: str = INFER) -> bytes:
    size = str(len(body)) if length is None else length
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n{headers}\r\n"
    return head.encode("latin-1", "replace") + body


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode("latin-1", "replace")


def _head(line: bytes) -> bytes:
    return line + b"\r\nHost: x\r\n\r\n"


def _binary(size: object, data: bytes, json_length: str | None = None, **changes: object) -> bytes:
    """A tensor in bytes, of a size that may be another."""
    tensor = {
        "name": "image",
        "shape": [1, 1, 8, 8],
        "datatype": "FP32",
        "parameters": {"binary_data_size": size},
    }
    text = json.dumps({"inputs": [tensor | changes]}).encode()
    length = str(len(text)) if json_length is None else json_length
    return post(text + data, f"Inference-Header-Content-Length: {length}\r\n")


HEADS: dict[str, Case] = {
    "head of noise": (bytes(range(128, 250)) + b"\r\n\r\n", _BAD),
    "empty request line": (b"\r\n\r\n", _BAD),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100) + b"\r\n\r\n", _BAD),
    "one word": (_head(b"GET"), _BAD),
    "four words": (_head(b"GET / HTTP/1.1 x"), _BAD),
    "version of words": (_head(b"GET /v2 HTTP/one.two"), _BAD),
    "version 9": (_head(b"GET /v2 HTTP/9.9"), (400, 505)),
    "version of 5000 digits": (_head(b"GET /v2 HTTP/" + b"1" * 5_000 + b".1"), _BAD),
    "line of 100 kB": (_head(b"GET /" + b"x" * 100_000 + b" HTTP/1.1"), (414, 431)),
    "header of 100 kB": (_head(b"GET /v2 HTTP/1.1\r\nX: " + b"x" * 100_000), (431,)),
    "200 headers": (_head(b"GET /v2 HTTP/1.1\r\n" + b"\r\n".join(b"X: x" for _ in range(200))), (431,)),
    "header without a colon": (_head(b"GET /v2 HTTP/1.1\r\nnothing"), (200, 400)),
    "header of a zero byte": (_head(b"GET /v2 HTTP/1.1\r\nX: \x00"), (200, 400)),
    "method of escapes": (_head(b"\x1b[31mGET /v2 HTTP/1.1"), (400, 405)),
    "DELETE": (_head(b"DELETE /v2 HTTP/1.1"), (405,)),
    "HEAD": (_head(b"HEAD /v2 HTTP/1.1"), (405,)),
    "OPTIONS": (_head(b"OPTIONS * HTTP/1.1"), (405,)),
    "CONNECT": (_head(b"CONNECT x:443 HTTP/1.1"), (405,)),
    "no length": (f"POST {INFER} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), (411,)),
    "length empty": (post(b"", length=""), _BAD),
    "length of a word": (post(b"", length="ten"), _BAD),
    "length below zero": (post(b"", length="-1"), _BAD),
    "length with a sign": (post(b"{}", length="+2"), _BAD),
    "length superscript": (post(b"{}", length="²"), _BAD),
    "length hexadecimal": (post(b"{}", length="0x2"), _BAD),
    "length with an underscore": (post(b"{}", length="0_2"), _BAD),
    "length of a fraction": (post(b"{}", length="2.0"), _BAD),
    "length of 5000 digits": (post(b"{}", length="9" * 5_000), (400, 413)),
    "length 2^63": (post(b"{}", length=str(1 << 63)), (400, 413)),
    "length too large": (post(b"{}", length="999999999"), (413,)),
    "length too long for the body": (post(infer(), length="9999"), _BAD),
    "two lengths": (post(infer(), "Content-Length: 3\r\n"), _BAD),
    "chunked": (post(b"", "Transfer-Encoding: chunked\r\n"), (400, 411)),
    "expects the impossible": (post(infer(), "Expect: 999-magic\r\n"), (200, 417)),
    "a GET with a body": (
        b"GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        (200,),
    ),
}

PATHS: dict[str, Case] = {
    "root": (_get("/"), (404,)),
    "empty model": (_get("/v2/models//ready"), (404,)),
    "unknown model": (_get("/v2/models/other"), (404,)),
    "unknown version": (_get("/v2/models/model/versions/9"), (404,)),
    "path up": (_get("/v2/models/../../../etc/passwd"), (404,)),
    "path of percents": (_get("/v2/models/%2e%2e%2f%00"), (404,)),
    "path of escapes": (_get("/v2/models/\x9b31m"), (404,)),
    "path without a slash": (_get("v2"), (400, 404)),
    "a whole address": (_get("http://x/v2"), (200, 404)),
    "path of 5000 letters": (_get("/v2/models/" + "x" * 5_000), (404,)),
    "infer by GET": (_get(INFER), (405,)),
    "metadata by POST": (post(b"{}", path="/v2"), (404, 405)),
    "infer of another model": (post(infer(), path="/v2/models/other/infer"), (404,)),
    "link of a word": (post(b"", "X-Answer-Bytes: x\r\n", path="/v2/qutiperf/link"), _BAD),
    "link below zero": (post(b"", "X-Answer-Bytes: -1\r\n", path="/v2/qutiperf/link"), _BAD),
    "link superscript": (post(b"", "X-Answer-Bytes: ²\r\n", path="/v2/qutiperf/link"), _BAD),
    "link of 5000 digits": (post(b"", f"X-Answer-Bytes: {'9' * 5_000}\r\n", path="/v2/qutiperf/link"), _BAD),
    "link of 1 TB": (post(b"", "X-Answer-Bytes: 1000000000000\r\n", path="/v2/qutiperf/link"), _BAD),
}

BODIES: dict[str, Case] = {
    name: (post(body), _BAD)
    for name, body in {
        "nothing": b"",
        "noise": bytes(range(256)),
        "half a body": infer()[:80],
        "a number": b"42",
        "a list": b"[]",
        "null": b"null",
        "NaN": b"NaN",
        "no inputs": b"{}",
        "inputs of a number": b'{"inputs": 3}',
        "inputs empty": b'{"inputs": []}',
        "inputs of numbers": b'{"inputs": [1, 2]}',
        "input of null": b'{"inputs": [null]}',
        "input empty": b'{"inputs": [{}]}',
        "deep lists": b"[" * 100_000,
        "deep lists closed": b'{"inputs": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        "long integer": b'{"inputs": ' + b"9" * 10_000 + b"}",
        "long exponent": b'{"inputs": 1e' + b"9" * 5_000 + b"}",
        "not UTF-8": b'{"inputs": "\xff\xfe"}',
        "surrogates": b'{"inputs": "\\ud800"}',
        "zero bytes": b"\x00" * 64,
        "twice the input": json.dumps({"inputs": [json.loads(infer())["inputs"][0]] * 2}).encode(),
        "more after it": infer() + b"more",
        "another output": json.dumps(json.loads(infer()) | {"outputs": [{"name": "other"}]}).encode(),
        "outputs of a number": json.dumps(json.loads(infer()) | {"outputs": 3}).encode(),
        "id of a list": json.dumps(json.loads(infer()) | {"id": [1]}).encode(),
    }.items()
} | {"UTF-16": (post(infer().decode().encode("utf-16")), (200, 400))}

TENSORS: dict[str, Case] = {
    f"tensor: {name}": (request, _BAD)
    for name, request in {
        "another name": post(infer(name="other")),
        "name of a number": post(infer(name=3)),
        "name of escapes": post(infer(name="\x1b[31m")),
        "name of 1 MB": post(infer(name="x" * MEBIBYTE)),
        "no shape": post(infer(shape=None)),
        "shape of a word": post(infer(shape="1")),
        "shape of words": post(infer(shape=["1", 1, 8, 8])),
        "shape below zero": post(infer(shape=[-1, 1, 8, 8])),
        "shape of true": post(infer(shape=[True, 1, 8, 8])),
        "shape of fractions": post(infer(shape=[1.0, 1, 8, 8])),
        "shape of 65 dimensions": post(infer(shape=[1] * 65)),
        "shape that overflows": post(infer(shape=[1 << 62, 4, 8, 8])),
        "shape of 2^64 zeros": post(infer(shape=[1 << 64, 0], data=[])),
        "shape empty": post(infer(shape=[])),
        "no samples": post(infer(shape=[0, 1, 8, 8], data=[])),
        "too many samples": post(infer(shape=[65, 1, 8, 8], data=[0.0] * 65 * 64)),
        "another shape": post(infer(shape=[1, 64])),
        "another datatype": post(infer(datatype="INT8", data=[1] * 64)),
        "unknown datatype": post(infer(datatype="FP7")),
        "datatype of a list": post(infer(datatype=["FP32"])),
        "BYTES": post(infer(datatype="BYTES", data=["x"] * 64)),
        "no data": post(infer(data=None)),
        "data of a number": post(infer(data=1)),
        "data too short": post(infer(data=[0.5] * 63)),
        "data of words": post(infer(data=["x"] * 64)),
        "data ragged": post(infer(data=[[1, 2], [3]])),
        "data of objects": post(infer(data=[{}] * 64)),
        "parameters of a list": post(infer(parameters=[1], data=None)),
        "binary too short": _binary(256, bytes(255)),
        "binary too long": _binary(256, bytes(257)),
        "binary of another size": _binary(255, bytes(255)),
        "binary below zero": _binary(-256, bytes(256)),
        "binary of a word": _binary("256", bytes(256)),
        "binary of true": _binary(True, bytes(256)),
        "binary 2^70": _binary(1 << 70, bytes(256)),
        "JSON length of a word": _binary(256, bytes(256), "x"),
        "JSON length below zero": _binary(256, bytes(256), "-1"),
        "JSON length superscript": _binary(256, bytes(256), "²"),
        "JSON length of 5000 digits": _binary(256, bytes(256), "9" * 5_000),
        "JSON length zero": _binary(256, bytes(256), "0"),
        "JSON length too long": _binary(256, bytes(256), "99999"),
    }.items()
}
