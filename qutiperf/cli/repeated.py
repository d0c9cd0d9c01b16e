"""Options given twice that take one value: refused, where click would silently take the last."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from qutiperf.errors import InputError


class _Option(Protocol):
    """The part of a click parameter that is read here."""

    opts: list[str]
    secondary_opts: list[str]
    multiple: bool
    is_flag: bool


def check_repeated(command: object, words: Sequence[str]) -> None:
    """Raises InputError for the first option in `words` that is given twice but takes one value."""
    seen: set[str] = set()
    for option in _options(command, words):
        name = max(option.opts, key=len)
        if name in seen and not option.multiple and not option.is_flag:
            raise InputError(f"{name} is given twice", cure="it takes one value")
        seen.add(name)


def _options(command: object, words: Sequence[str]) -> Iterator[_Option]:
    """Options in the order of the command line, those of a verb once it is named; values are passed over."""
    rest = iter(words)
    for word in rest:
        if word == "--":
            return
        option = _named(command, word.partition("=")[0])
        if option is None:
            command = getattr(command, "commands", {}).get(word, command)
            continue
        if not option.is_flag and "=" not in word:
            next(rest, None)
        yield option


def _named(command: object, name: str) -> _Option | None:
    options: list[_Option] = [
        parameter
        for parameter in getattr(command, "params", [])
        if name.startswith("-") and name in (*parameter.opts, *parameter.secondary_opts)
    ]
    return options[0] if options else None
