"""Copies of a loaded model that are used in turn, so that no copy's weights stay in a cache."""

from collections.abc import Sequence
from dataclasses import dataclass

from qutiperf.adapters.base import Adapter, Array, Arrays, Model, ProfiledNode
from qutiperf.adapters.registry import AnyAdapter
from qutiperf.errors import InputError


@dataclass(frozen=True)
class NoOptions:
    """The copies have their options already."""


class Rotation(Adapter[object]):
    """Answers each batch with the next copy; the copies are loaded, and have the same model."""

    options_type = NoOptions

    def __init__(self, copies: Sequence[AnyAdapter]) -> None:
        self._copies = list(copies)
        self._infers = [copy.infer for copy in copies]
        self._infers_many = [copy.infer_many for copy in copies]
        self._number = 0

    def load(self, model: Model, options: object) -> None:
        raise InputError("the copies of a rotation are loaded already", where=model.path)

    def tune(self, batch_size: int) -> None:
        for copy in self._copies:
            copy.tune(batch_size)

    def infer(self, batch: Array) -> tuple[Array, int | None]:
        return self._infers[self._next()](batch)

    def infer_many(self, batch: Arrays) -> tuple[Arrays, int | None]:
        return self._infers_many[self._next()](batch)

    def _next(self) -> int:
        self._number = (self._number + 1) % len(self._copies)
        return self._number

    def close(self) -> None:
        for copy in self._copies:
            copy.close()

    def describe(self) -> dict[str, str]:
        return {**self._copies[0].describe(), "weight_copies": str(len(self._copies))}

    def profile(self, batch: Arrays, repeats: int) -> list[ProfiledNode] | None:
        """Of one copy."""
        return self._copies[0].profile(batch, repeats)

    def figures(self) -> dict[str, float]:
        return self._copies[0].figures()
