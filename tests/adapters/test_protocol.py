"""Numbers in JSON that the datatype cannot hold are refused, never rounded."""

import json

import pytest

from qutiperf.adapters.protocol import ProtocolError, decode


@pytest.mark.parametrize(
    ("datatype", "data"),
    [("UINT8", [1, 0.5]), ("UINT8", ["1", "2"]), ("UINT8", [True, False]), ("BOOL", [2, 0])],
)
def test_json_data_of_another_kind_are_refused(datatype: str, data: list[object]) -> None:
    tensor = {"name": "y", "shape": [2], "datatype": datatype, "data": data}
    with pytest.raises(ProtocolError, match="tensor 'y': its data are not "):
        decode(json.dumps({"outputs": [tensor]}).encode(), None, "outputs")
