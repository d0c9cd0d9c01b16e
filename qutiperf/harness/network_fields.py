"""What MLPerf's network division asks of a system's description, as far as a run knows it.

Field names: SYSTEM_DESC_REQUIRED_FIELDS_NETWORK_MODE of the submission checker,
https://github.com/mlcommons/inference/blob/master/tools/submission/submission_checker/constants.py
"""

import platform
from collections.abc import Mapping

FIELDS = (
    *("is_network", "network_type", "network_media", "network_rate", "nic_loadgen", "number_nic_loadgen"),
    *("net_software_stack_loadgen", "network_protocol", "number_connections", "nic_sut", "number_nic_sut"),
    *("net_software_stack_sut", "network_topology"),
)


def network_fields(
    description: Mapping[str, str], adapter: Mapping[str, str], connections: int
) -> dict[str, str]:
    """The SUT file's own words first, then what is known; fields that nobody knows are left out."""
    known = {
        "is_network": "true",
        "net_software_stack_loadgen": f"Python {platform.python_version()} http.client, {platform.system()}",
        "network_protocol": adapter.get("protocol"),
        "number_connections": str(connections),
        "net_software_stack_sut": adapter.get("server"),
    }
    values = {name: description.get(name) or known.get(name) for name in FIELDS}
    return {name: value for name, value in values.items() if value}
