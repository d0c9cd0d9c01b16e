"""Rejects repeated options and options without effect, so that none is silently ignored."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from qutiperf.errors import InputError
from qutiperf.printable import bounded


class _Option(Protocol):
    """The attributes of a click parameter that are used here."""

    opts: list[str]
    secondary_opts: list[str]
    multiple: bool
    is_flag: bool


def check_repeated(command: object, words: Sequence[str]) -> None:
    """Raises InputError for the first single-value option that is given twice in `words`."""
    seen: set[str] = set()
    for option in _options(command, words):
        name = max(option.opts, key=len)
        if name in seen and not option.multiple and not option.is_flag:
            raise InputError(f"{name} is given twice", cure="it takes one value")
        seen.add(name)


def _options(command: object, words: Sequence[str]) -> Iterator[_Option]:
    """Options in the order of the command line, including those of the verb; values are skipped."""
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


def check_text(words: Sequence[str]) -> None:
    """Raises InputError for a word that file names, YAML and JSON cannot contain."""
    for word in words:
        if "\0" in word or not _encodes(word):
            shown = bounded(ascii(word), 80)
            raise InputError(
                f"the argument {shown} contains a NUL or bytes that are not UTF-8", cure="rename it"
            )


def _encodes(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_unused(given: Mapping[str, object], reason: str, cure: str) -> None:
    """Raises InputError for the first given option; `reason` is why it would have no effect."""
    for name, value in given.items():
        if value is not None and value is not False:
            raise InputError(f"{name} has no effect: {reason}", cure=cure)


def check_one_form(**forms: bool) -> None:
    """Raises InputError if the options request several forms of output."""
    names = [f"--{name}" for name, chosen in forms.items() if chosen]
    if len(names) > 1:
        raise InputError(f"{' and '.join(names)} are two forms of output", cure="give one of them")
