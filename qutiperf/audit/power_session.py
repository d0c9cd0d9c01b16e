"""client.json and server.json: how MLCommons' power-dev measured, from the system's end and the meter's."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError


class _ForeignModel(BaseModel):
    """A file that others write: frozen, keys that are not used here are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class SessionMessage(_ForeignModel):
    """A command and the reply to it."""

    cmd: str
    reply: str


class PowerAnalyzer(_ForeignModel):
    """One meter as PTDaemon was started for it."""

    device_type: int
    command: list[str] = []
    channel: list[int] | None = None


class SessionIdentity(_ForeignModel):
    client: str
    server: str


class PowerSession(_ForeignModel):
    """`phases` are the four moments of each mode, by the clock of the day and by a steady one."""

    version: str
    timezone: int
    modules: dict[str, str]
    sources: dict[str, str]
    messages: list[SessionMessage]
    uuid: SessionIdentity
    session_name: str
    results: dict[str, str]
    phases: dict[str, list[list[float]]]

    def moments(self, mode: str) -> list[float]:
        """Seconds since 1970 of a mode's phases; empty where one has no clock."""
        phases = self.phases.get(mode, [])
        return [each[0] for each in phases] if all(phases) else []


class ServerSession(PowerSession):
    """The end with the meter: what PTDaemon was sent, and how it was started."""

    ptd_messages: list[SessionMessage]
    ptd_config: list[PowerAnalyzer] | PowerAnalyzer
    debug: bool = False

    @property
    def analyzers(self) -> list[PowerAnalyzer]:
        return [self.ptd_config] if isinstance(self.ptd_config, PowerAnalyzer) else self.ptd_config

    def replies_to(self, command: str, mark: str) -> list[str]:
        """What PTDaemon gave as `Watts` or `Uncertainty` of the measurement with this mark."""
        latest, replies = "", []
        for each in self.ptd_messages:
            if each.cmd.startswith("Go,"):
                latest = each.cmd.rpartition(",")[2]
            elif each.cmd == command and latest == mark:
                replies.append(each.reply)
        return replies

    def reply_to(self, command: str) -> str:
        return next((each.reply for each in self.ptd_messages if each.cmd == command), "")


Session = TypeVar("Session", bound=PowerSession)


def session_of(kind: type[Session], data: Mapping[str, object]) -> tuple[Session | None, str]:
    """The session, or None and what is wrong with the first of its fields."""
    try:
        return kind.model_validate(data), ""
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][:4])
        return None, f"{place}: {first['msg'].lower()}"[:200]
