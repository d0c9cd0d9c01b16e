"""Malformed YAML files and malformed command lines."""

import random
import re
from collections.abc import Iterator
from functools import partial

from tests.attack.attack import OK, REFUSED, Attack, require
from tests.attack.ground import CHECKOUT, Ground, refused_folder
from tests.attack.hostile_words import COMMANDS, TEMPLATES, WORDS, WORDS_REFUSED
from tests.attack.hostile_yaml import (
    BASES,
    DOCUMENTS,
    SUT_VALUES,
    SWEEP_VALUES,
    TOLERATED,
    VALUES,
    WORKLOAD_VALUES,
)

MODEL = CHECKOUT / "scenarios/workloads/models/digits-mlp-12.5-fp32.onnx"
_DAMAGED = 60
_COMMAND_LINES = 60


def attacks(chance: random.Random) -> list[Attack]:
    return [
        *_documents(chance),
        *_values(chance),
        *_keys("sweep", SWEEP_VALUES),
        *_keys("sut", SUT_VALUES),
        *_keys("workload", WORKLOAD_VALUES),
        *_damaged(chance),
        *_command_lines(),
        *_damaged_command_lines(chance),
    ]


# --- files


def _documents(chance: random.Random) -> Iterator[Attack]:
    for name, text in DOCUMENTS.items():
        kind = chance.choice(list(BASES))
        yield Attack(f"document: {name} as {kind}", partial(_refused_file, kind, text))


def _values(chance: random.Random) -> Iterator[Attack]:
    """Every hostile value in place of one of a file's own."""
    for name, value in VALUES.items():
        kind = chance.choice(list(BASES))
        keys = re.findall(r"^(\w+):", BASES[kind], re.MULTILINE)
        key = chance.choice([key for key in keys if key not in ("title", "operating_modes")])
        yield Attack(
            f"value: {name} as {key} of a {kind}",
            partial(_tolerated_file, kind, with_key(kind, f"{key}: {value}")),
        )


def _keys(kind: str, values: dict[str, str]) -> Iterator[Attack]:
    for name, lines in values.items():
        text = with_key(kind, lines)
        if name.startswith("enter "):
            yield Attack(f"{kind}: {name}", partial(_refused_mode, text))
        else:
            refuses = _tolerated_file if (kind, name) in TOLERATED else _refused_file
            yield Attack(f"{kind}: {name}", partial(refuses, kind, text))


def _damaged(chance: random.Random) -> Iterator[Attack]:
    """Bytes cut, flipped, doubled or inserted; some files are still good, none may end in a traceback."""
    for number in range(_DAMAGED):
        kind = chance.choice(list(BASES))
        text = damaged(filled(BASES[kind]).encode(), chance)
        yield Attack(f"damaged {kind} {number}", partial(_tolerated_file, kind, text))


def damaged(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    length = chance.randint(1, 12)
    other = bytes(chance.choice(b" \n\t:{}[]&*!|>'\"%@`#-?,\\\x00\xff\x1b0a") for _ in range(length))
    kind = chance.choice(["cut", "flip", "insert", "double", "delete", "swap"])
    if kind == "cut":
        return data[:place]
    if kind == "flip":
        return data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]
    if kind == "insert":
        return data[:place] + other + data[place:]
    if kind == "double":
        return data[:place] + data[max(place - 40, 0) :]
    if kind == "delete":
        return data[:place] + data[place + length :]
    lines = data.splitlines(keepends=True)
    chance.shuffle(lines)
    return b"".join(lines)


def with_key(kind: str, lines: str) -> str:
    """The kind's good file with other top-level keys."""
    text = BASES[kind]
    for line in lines.splitlines():
        key = line.partition(":")[0]
        text = re.sub(rf"^{key}:.*\n(?:[ ].*\n)*", "", text, flags=re.MULTILINE) + f"{line}\n"
    return filled(text)


def filled(text: str) -> str:
    return text.replace("MODEL", str(MODEL))


def _command_for(ground: Ground, kind: str, text: str | bytes) -> list[str]:
    """Writes the file, good ones of the other kinds, and gives the command that reads it."""
    for other, good in BASES.items():
        ground.write(f"{other}.yaml", filled(good))
    content = text.replace("KIND", kind).replace("THIS", f"{kind}.yaml") if isinstance(text, str) else text
    path = ground.write(f"{kind}.yaml", content)
    if kind == "sweep":
        return ["run", str(path), "--out", refused_folder(ground)]
    of_kind = f"{kind}s=[{path}]"
    return ["run", str(ground.work / "sweep.yaml"), "--out", refused_folder(ground), "--set", of_kind]


def _refused_file(kind: str, text: str | bytes, ground: Ground) -> None:
    outcome = ground.call(_command_for(ground, kind, text), REFUSED)
    require("thesis.tex" not in outcome.err, "it is not refused")


def _tolerated_file(kind: str, text: str | bytes, ground: Ground) -> None:
    """Refused for the file or, if it is good, for the results folder."""
    ground.call(_command_for(ground, kind, text), REFUSED)


def _refused_mode(text: str, ground: Ground) -> None:
    """A command that is not there is found before anything is measured; the results folder may be new."""
    _command_for(ground, "sut", text)
    arguments = ["run", "sweep.yaml", "--out", str(ground.out), "--set", f"suts=[{ground.work / 'sut.yaml'}]"]
    ground.call(arguments, REFUSED, makes_results=True)
    require(not ground.records(), "it is measured")


# --- command lines


def _command_lines() -> Iterator[Attack]:
    for name, words in COMMANDS.items():
        yield Attack(f"command: {name}", partial(_refused_command, words))


def _refused_command(words: list[str], ground: Ground) -> None:
    outcome = ground.call(_placed(words, ground), REFUSED)
    require("thesis.tex" not in outcome.err, "it is not refused")


def _placed(words: list[str], ground: Ground) -> list[str]:
    """OUT stands for a folder that is refused when all else is well, NEW for a file that may be written."""
    used = refused_folder(ground)
    return [word.replace("OUT", used).replace("NEW", str(ground.work / "new")) for word in words]


def _damaged_command_lines(chance: random.Random) -> Iterator[Attack]:
    """A good command line with one word replaced, or a stranger's word more."""
    for number in range(_COMMAND_LINES):
        verb = chance.choice(list(TEMPLATES))
        words = list(TEMPLATES[verb])
        hostile = chance.choice(list(WORDS))
        inputs = [index for index in range(1, len(words)) if not words[index].startswith("OUT")]
        if chance.random() < 0.3 or not inputs:
            words.insert(chance.randint(1, len(words)), WORDS[hostile])
        else:
            words[chance.choice(inputs)] = WORDS[hostile]
        run = partial(_any_end, words, hostile in WORDS_REFUSED)
        yield Attack(f"command line {number}: {verb} with {hostile}", run)


def _any_end(words: list[str], refused: bool, ground: Ground) -> None:
    codes = REFUSED if refused else (OK, *REFUSED)
    outcome = ground.call(_placed(words, ground), codes, limit_s=15)
    require(outcome.code or outcome.out, "exit code 0 without a word")
