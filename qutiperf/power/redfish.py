"""A server's own power meter, read from its management controller by Redfish over HTTP.

Schemas: https://redfish.dmtf.org/schemas/v1/ EnvironmentMetrics (PowerWatts), PowerSubsystem with
PowerSupplyMetrics (InputPowerWatts), and Power (PowerControl, PowerConsumedWatts), which they replace.
"""

import base64
import http.client
import json
import netrc
from collections.abc import Iterator, Mapping
from contextlib import suppress
from time import time_ns
from urllib.parse import urlsplit

from qutiperf.errors import InputError, SetupError
from qutiperf.power.meter import Coverage, PowerMeter, Rail, Reading
from qutiperf.spec.config import shortened

_LIMIT_S = 5.0
_MOST_BYTES = 4 << 20
_ROOT = "/redfish/v1"
_Json = Mapping[str, object]
_Place = tuple[str | int, ...]  # keys and indices of a number in a resource


class Redfish(PowerMeter):
    """`redfish:https://BMC`, or with the path of one chassis: `redfish:https://BMC/redfish/v1/Chassis/1`.

    User and password come from ~/.netrc, so that no record has them.
    """

    name = "redfish"
    title = "a server's own meter, from its management controller (Redfish)"
    verified = "replayed"
    least_period_s = 1.0  # controllers update about once a second, and are slow

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        self._connection: http.client.HTTPConnection | None = None
        self._headers: dict[str, str] = {"Accept": "application/json", "OData-Version": "4.0"}
        self._sources: dict[str, tuple[str, _Place]] = {}
        try:
            parts = urlsplit(argument)
            self._host, self._port = parts.hostname, parts.port
        except ValueError:
            self._host, self._port, parts = None, None, urlsplit("")
        self._secure, self._path = parts.scheme == "https", parts.path.rstrip("/")
        if parts.scheme not in ("http", "https") or not self._host:
            what = f"redfish:{shortened(argument, 80)}: is not the address of a management controller"
            raise InputError(what, where="power", cure="write redfish:https://HOST")
        if parts.username is not None:
            cure = "put them into ~/.netrc: machine HOST login USER password PASSWORD"
            raise InputError("redfish: the address has a user or password", where="power", cure=cure)

    def start(self) -> list[Rail]:
        self._headers |= self._authorization()
        for chassis in self._chassis():
            if sources := self._sources_of(chassis):
                if self._sources:
                    cure = f"name one: redfish:{self._base}{chassis}"
                    raise SetupError("several chassis measure power", where=self._base, cure=cure)
                self._sources = sources
        if not self._sources:
            cure = "its firmware has no power reading; use another meter"
            raise SetupError("no power reading", where=self._base, cure=cure)
        return [Rail(name, "power", update_s=self.least_period_s) for name in self._sources]

    @property
    def _base(self) -> str:
        port = f":{self._port}" if self._port else ""
        return f"{'https' if self._secure else 'http'}://{self._host}{port}"

    def _authorization(self) -> dict[str, str]:
        try:
            entry = netrc.netrc().authenticators(self._host or "")
        except FileNotFoundError:
            return {}
        except (netrc.NetrcParseError, OSError) as error:
            raise SetupError(f"cannot be read: {error}", where="~/.netrc") from None
        if entry is None:
            return {}
        text = base64.b64encode(f"{entry[0]}:{entry[2]}".encode()).decode()
        return {"Authorization": f"Basic {text}"}

    def _chassis(self) -> Iterator[str]:
        if self._path not in ("", _ROOT):
            yield self._path
            return
        for member in _items(self._get(f"{_ROOT}/Chassis").get("Members")):
            if link := _link(member):
                yield link

    def _sources_of(self, chassis: str) -> dict[str, tuple[str, _Place]]:
        """Paths of the readings by rail; the first schema that has a number."""
        resource = self._get(chassis)
        if (link := _link(resource.get("EnvironmentMetrics"))) is not None:
            place: _Place = ("PowerWatts", "Reading")
            if _number_at(self._get(link), place) is not None:
                return {"chassis": (link, place)}
        link = _link(resource.get("PowerSubsystem"))
        if link is not None and (supplies := self._supplies(link)):
            return supplies
        if (link := _link(resource.get("Power"))) is not None:
            place = ("PowerControl", 0, "PowerConsumedWatts")
            if _number_at(self._get(link), place) is not None:
                return {"chassis": (link, place)}
        return {}

    def _supplies(self, subsystem: str) -> dict[str, tuple[str, _Place]]:
        """The input of every power supply."""
        supplies: dict[str, tuple[str, _Place]] = {}
        listed = _link(self._get(subsystem).get("PowerSupplies"))
        for member in _items(self._get(listed).get("Members")) if listed else ():
            supply = self._get(_link(member) or "")
            metrics = _link(supply.get("Metrics"))
            place = ("InputPowerWatts", "Reading")
            if metrics and _number_at(self._get(metrics), place) is not None:
                supplies[f"supply {supply.get('Id', len(supplies))}"] = (metrics, place)
        return supplies

    def read(self) -> list[Reading]:
        """One request for each resource; the moment is the middle of its request."""
        readings = []
        for rail, (link, place) in self._sources.items():
            before = time_ns()
            value = _number_at(self._fetched(link), place)
            if value is None:
                raise OSError(f"{self._base}{link} has no power reading any more")
            readings.append(Reading((before + time_ns()) // 2, rail, value))
        return readings

    def _get(self, path: str) -> _Json:
        """As `_fetched`, with the cure: raises SetupError."""
        try:
            return self._fetched(path)
        except OSError as error:
            where = f"{self._base}{path}"
            raise SetupError(str(error.strerror or error), where=where, cure=_cure(error)) from None

    def _fetched(self, path: str) -> _Json:
        """The JSON object at a path; raises OSError."""
        for last in (False, True):
            try:
                return self._once(path)
            except (http.client.HTTPException, ConnectionError) as error:
                self.close()  # controllers close idle connections: a second one is tried once
                if last:
                    raise OSError(f"no answer: {error or type(error).__name__}") from None
        raise OSError("no answer")

    def _once(self, path: str) -> _Json:
        if self._connection is None:
            kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
            self._connection = kind(self._host or "", self._port, timeout=_LIMIT_S)
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read(_MOST_BYTES)
        if answer.status in (401, 403):
            raise PermissionError(f"HTTP status {answer.status}")
        if answer.status != 200:
            raise OSError(f"HTTP status {answer.status}")
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            raise OSError("the answer is not JSON") from None
        if not isinstance(data, dict):
            raise OSError("the answer is not a JSON object")
        return data

    @property
    def coverage(self) -> Coverage:
        return "supply"

    def close(self) -> None:
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
            self._connection = None


def _cure(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "add to ~/.netrc: machine HOST login USER password PASSWORD"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "add the controller's certificate to the system's, or name its file in SSL_CERT_FILE"
    return "check the address of the management controller"


def _link(value: object) -> str | None:
    link = value.get("@odata.id") if isinstance(value, dict) else None
    return link if isinstance(link, str) and link.startswith("/") else None


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _number_at(value: object, place: _Place) -> float | None:
    """The number at keys and indices; None if there is none."""
    for key in place:
        if isinstance(key, int):
            value = value[key] if isinstance(value, list) and len(value) > key else None
        else:
            value = value.get(key) if isinstance(value, dict) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
