"""A management controller: Redfish over HTTP, with the resources of DMTF's schemas.

EnvironmentMetrics.v1_0 (PowerWatts is a SensorPowerExcerpt), PowerSubsystem.v1_0, PowerSupplyMetrics.v1_0,
Power.v1_7 with PowerControl; https://redfish.dmtf.org/schemas/v1/
"""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Resources = dict[str, object]
ROOT = "/redfish/v1"
CHASSIS = f"{ROOT}/Chassis/1"


def link(path: str) -> dict[str, str]:
    return {"@odata.id": path}


def collection(members: list[str]) -> Resources:
    return {"Members": [link(path) for path in members], "Members@odata.count": len(members)}


def with_power_control(watts: float | None) -> Resources:
    """The older schema, as on servers of 2016 to 2020."""
    control = {"MemberId": "0", "Name": "System Power Control", "PowerConsumedWatts": watts}
    return {
        f"{ROOT}/Chassis": collection([CHASSIS]),
        CHASSIS: {"@odata.type": "#Chassis.v1_8_0.Chassis", "Id": "1", "Power": link(f"{CHASSIS}/Power")},
        f"{CHASSIS}/Power": {"@odata.type": "#Power.v1_7_1.Power", "PowerControl": [control]},
    }


def with_environment(watts: float) -> Resources:
    """The newer schema; the older one beside it says something else."""
    resources = with_power_control(1.0)
    path = f"{CHASSIS}/EnvironmentMetrics"
    resources[CHASSIS] = {**dict(resources[CHASSIS]), "EnvironmentMetrics": link(path)}  # type: ignore[call-overload]
    metrics = {"DataSourceUri": f"{CHASSIS}/Sensors/TotalPower", "Reading": watts}
    return {**resources, path: {"PowerWatts": metrics}}


def with_supplies(watts: tuple[float, ...]) -> Resources:
    """Power supplies that each measure their input."""
    supplies = [f"{CHASSIS}/PowerSubsystem/PowerSupplies/PSU{number}" for number in range(len(watts))]
    resources: Resources = {
        f"{ROOT}/Chassis": collection([CHASSIS]),
        CHASSIS: {"Id": "1", "PowerSubsystem": link(f"{CHASSIS}/PowerSubsystem")},
        f"{CHASSIS}/PowerSubsystem": {"PowerSupplies": link(f"{CHASSIS}/PowerSubsystem/PowerSupplies")},
        f"{CHASSIS}/PowerSubsystem/PowerSupplies": collection(supplies),
    }
    for path, value in zip(supplies, watts, strict=True):
        resources[path] = {"Id": path.rpartition("/")[2], "Metrics": link(f"{path}/Metrics")}
        resources[f"{path}/Metrics"] = {"InputPowerWatts": {"Reading": value}}
    return resources


@contextmanager
def controller(
    resources: Resources, login: tuple[str, str] | None = None, look: Callable[[str], None] = lambda _: None
) -> Iterator[str]:
    """The address of a running controller; `look` gets the path of each request."""
    expected = "Basic " + base64.b64encode(":".join(login or ()).encode()).decode()

    class Controller(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            look(self.path)
            status, body = 200, json.dumps(resources.get(self.path)).encode()
            if login is not None and self.headers["Authorization"] != expected:
                status, body = 401, b"{}"
            elif self.path not in resources:
                status, body = 404, b"{}"
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base's name
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Controller) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
