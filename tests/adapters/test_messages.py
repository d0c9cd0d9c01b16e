"""Messages of the Open Inference Protocol."""

import numpy as np
import pytest

from qutiperf.adapters import protocol


def test_a_message_is_read_as_it_was_written() -> None:
    first, second = np.arange(6, dtype=np.int8).reshape(2, 3), np.array([[0.5]], np.float16)
    for binary in (True, False):
        length, parts = protocol.encode({"id": "7"}, "inputs", [("a", first), ("b", second)], binary)
        found = protocol.decode(b"".join(bytes(part) for part in parts), length, "inputs")
        assert found.header["id"] == "7"
        for name, expected in (("a", first), ("b", second)):
            assert (found.tensors[name].dtype, found.tensors[name].tolist()) == (
                expected.dtype,
                expected.tolist(),
            )


@pytest.mark.parametrize(
    ("body", "length", "message"),
    [
        (b"<html>", None, "it is not JSON: '<html>'"),
        (b"[]", None, "its JSON is not an object"),
        (b"{}", None, "it has no inputs"),
        (b"{}", 9, "its JSON is 9 bytes long, the body 2"),
        (
            b'{"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [1]}]}',
            None,
            "1 numbers for the",
        ),
        (
            b'{"inputs": [{"name": "x", "shape": [-1], "datatype": "FP32", "data": [1]}]}',
            None,
            r"shape \[-1\]",
        ),
        (
            b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP33", "data": [1]}]}',
            None,
            "datatype 'FP33'",
        ),
        (
            b'{"inputs": [{"name": "x", "shape": [1], "datatype": "INT8", "data": ["a"]}]}',
            None,
            "its data are not int8",
        ),
        (b'{"inputs": [{"shape": [1], "datatype": "INT8", "data": [1]}]}', None, "a tensor has no name"),
        (
            b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", '
            b'"parameters": {"binary_data_size": 4}}]}abc',
            100,
            "4 bytes for",
        ),
        (
            b'{"inputs": [{"name": "x", "shape": [1], "datatype": "INT8", "data": [1]}]}tail',
            74,
            "4 bytes follow",
        ),
    ],
)
def test_messages_that_are_not_the_protocols(body: bytes, length: int | None, message: str) -> None:
    with pytest.raises(protocol.ProtocolError, match=message):
        protocol.decode(body, length, "inputs")


def test_a_type_without_a_name() -> None:
    with pytest.raises(protocol.ProtocolError, match="no datatype for complex64"):
        protocol.encode({}, "inputs", [("x", np.zeros(1, np.complex64))])
