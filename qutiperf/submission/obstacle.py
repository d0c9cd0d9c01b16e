"""What stands between runs and an acceptable tree, with the command that removes it and its minutes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Obstacle:
    """`minutes` is None where nothing has to be measured."""

    where: str
    what: str
    cure: str = ""
    command: str = ""
    minutes: float | None = None

    def __str__(self) -> str:
        cure = f"; {self.cure}" if self.cure else ""
        took = f" (about {max(self.minutes, 1):.0f} min)" if self.minutes else ""
        command = f"; {self.command}{took}" if self.command else ""
        return " ".join(f"{self.where}: {self.what}{cure}{command}".split())

    def as_row(self) -> dict[str, object]:
        return {
            "where": self.where,
            "what": self.what,
            "cure": self.cure or None,
            "command": self.command or None,
            "minutes": self.minutes,
        }


def in_all(obstacles: list[Obstacle]) -> float:
    """Minutes of measurement."""
    return sum(each.minutes or 0.0 for each in obstacles)
