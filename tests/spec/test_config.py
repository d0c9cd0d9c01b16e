"""The YAML reader, models and overrides."""

import os
import time
from pathlib import Path

import pytest

from qutiperf.errors import InputError
from qutiperf.spec import config


class Inner(config.StrictModel):
    batch_size: int = 1
    name: str = ""


class Outer(config.StrictModel):
    count: float
    inner: Inner = Inner()
    parts: dict[str, Inner] = {}


def test_numbers_with_an_exponent_are_numbers() -> None:
    assert config.parse_yaml("a: 1e9\nb: 2.5E-3\nc: 1_000\nd: '1e9'", "x") == {
        "a": 1e9,
        "b": 2.5e-3,
        "c": 1000,
        "d": "1e9",
    }


def test_dates_stay_text() -> None:
    assert config.parse_yaml("a: 2026-11-23", "x") == {"a": "2026-11-23"}


def test_ranges_are_no_numbers_to_the_base_60() -> None:
    assert config.parse_yaml("[1:9:2, 2:4, 1:20.5, 0x10, -7, .5]", "x") == [
        "1:9:2",
        "2:4",
        "1:20.5",
        16,
        -7,
        0.5,
    ]
    assert config.apply_overrides({}, ["a=1:9:2,64"]) == {"a": ["1:9:2", 64]}


def test_duplicate_keys_are_refused_with_their_line() -> None:
    with pytest.raises(InputError, match=r"x: line 3: key 'a' appears twice; keep one of the two"):
        config.parse_yaml("a: 1\nb: 2\na: 3", "x")


def test_syntax_errors_name_the_line() -> None:
    with pytest.raises(InputError, match=r"x: line 2: not YAML"):
        config.parse_yaml("a: [1\nb: }", "x")


def test_a_file_that_is_not_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("- 1")
    with pytest.raises(InputError, match=r"a.yaml: is not a mapping of keys to values"):
        config.read_yaml(path)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.yaml: there is no such file"):
        config.read_yaml(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary.yaml: cannot be read: is not UTF-8"):
        config.read_yaml(tmp_path / "binary.yaml")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"count": 1, "inner": {"batch_sise": 1}},
            r"f: inner.batch_sise: unknown key; did you mean 'batch_size'\? allowed: batch_size, name",
        ),
        ({"count": 1, "parts": {"a": {"nam": ""}}}, r"f: parts.a.nam: unknown key; did you mean 'name'\?"),
        ({"count": "1"}, r'f: count: should be a valid number, not "1"'),
        ({}, r"f: count: missing; add this key"),
        ({"count": 1, "inner": {"batch_size": 1.5}}, r"f: inner.batch_size: should be a valid integer"),
    ],
)
def test_errors_name_file_key_and_cure(data: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        config.parse_model(Outer, data, "f")


def test_overrides() -> None:
    data: config.Yaml = {"a": {"b": 1, "c": 2}, "d": 3}
    changed = config.apply_overrides(data, ["a.b=1,8,64", "e.f=x", "d=1e3"])
    assert changed == {"a": {"b": [1, 8, 64], "c": 2}, "d": 1000.0, "e": {"f": "x"}}
    assert data == {"a": {"b": 1, "c": 2}, "d": 3}


@pytest.mark.parametrize(
    ("override", "message"), [("a", "is not key=value"), ("d.x=1", "'d' holds a value, not keys")]
)
def test_wrong_overrides(override: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        config.apply_overrides({"d": 3}, [override])


def test_digests_do_not_depend_on_order() -> None:
    assert config.sha256_of({"a": 1, "b": 2}) == config.sha256_of({"b": 2, "a": 1})
    assert config.sha256_of({"a": 1}) != config.sha256_of({"a": 1.5})


def bomb(levels: int) -> str:
    """Nine-fold aliases: 9 to the power of `levels` values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


def chain(levels: int) -> str:
    """Lists nested through aliases only."""
    return "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, levels))])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: !!binary aGVsbG8=", "f: line 1: the type 'binary' is not allowed; values are null, booleans"),
        ("a: 1\nb: !!set {x, y}", "f: line 2: the type 'set' is not allowed"),
        ("a: !!omap [x: 1]", "f: line 1: the type 'omap' is not allowed"),
        ("a: !!pairs [x: 1]", "f: line 1: the type 'pairs' is not allowed"),
        (
            "a: !!python/object/apply:os.system [ls]",
            "the type 'python/object/apply:os.system' is not allowed",
        ),
        ("a: !mine {x: 1}", "f: line 1: the type '!mine' is not allowed"),
        ("a: !!map [1]", "f: line 1: the type 'map' is not allowed"),
        ("a: !!seq {b: 1}", "f: line 1: the type 'seq' is not allowed"),
        ("a: !!str [b]", "f: line 1: the type 'str' is not allowed"),
        ("a: &x {b: 1}\nc: {<<: *x}", "f: line 2: the type 'merge' is not allowed"),
        ("a: !!int three", "f: line 1: 'three' is not a whole number of up to 64 bits"),
        ("a: !!int ''", "f: line 1: '' is not a whole number"),
        ("a: !!float three", "f: line 1: 'three' is not a number"),
        ("a: !!float ''", "f: line 1: '' is not a number"),
        ("a: !!bool perhaps", "f: line 1: 'perhaps' is not a boolean"),
        ("a: .inf", "f: line 1: '.inf' is not a finite number"),
        ("a: .nan", "f: line 1: '.nan' is not a finite number"),
        ("a: 1e999", "f: line 1: '1e999' is not a finite number"),
        (f"a: {2**64}", "f: line 1: '18446744073709551616' is not a whole number of up to 64 bits"),
        ("a: " + "9" * 10_000, "9... (10,000 characters)' is not a whole number of up to 64 bits"),
        ("a: 0x" + "f" * 10_000, "(10,002 characters)' is not a whole number"),
        ("? [a, b]\n: 1", "f: line 1: a key is a list or a mapping; keys are text"),
        ("a: [" * 3000, "f: line 1: nested more than 40 levels deep"),
        ("[" * 3000 + "]" * 3000, "f: line 1: nested more than 40 levels deep"),
        ("\n".join("  " * n + "a:" for n in range(300)), "f: line 40: nested more than 40 levels deep"),
        (bomb(9), "f: line 5: holds more than 20,000 values, aliases expanded"),
        (chain(60), "f: line 39: nested more than 40 levels deep"),
        ("a: &a [*a]", "f: line 1: the alias stands for a value that contains it"),
        ("a: &a {b: {c: *a}}", "f: line 1: the alias stands for a value that contains it"),
        ('a: "\\ud800"', "f: line 1: the text holds a NUL or half a character"),
        ('"\\ud800": 1', "f: line 1: the text holds a NUL or half a character"),
        ('a: "x\\0y"', "f: line 1: the text holds a NUL"),
        ('a: "\\UFFFFFFFF"', "f: not YAML: "),
        ("a: \x00", "f: not YAML: unacceptable character #x0000"),
        ("a:\t- b", "f: line 1: not YAML: "),
        ("a: *b", "f: line 1: not YAML: found undefined alias 'b'"),
        ("a: 1\n---\nb: 2", "f: line 2: not YAML: "),
    ],
)
def test_hostile_yaml_is_one_line_at_once(text: str, message: str) -> None:
    started = time.process_time()
    with pytest.raises(InputError) as caught:
        config.parse_yaml(text, "f")
    line = str(caught.value)
    assert message in line
    assert len(line) < 500
    assert time.process_time() - started < 1


def test_aliases_within_the_bounds_stand_for_their_values() -> None:
    data = config.parse_yaml("a: &x {b: 1}\nc: *x", "f")
    assert data == {"a": {"b": 1}, "c": {"b": 1}}
    assert isinstance(data, dict)
    assert config.apply_overrides(data, ["a.b=2"]) == {"a": {"b": 2}, "c": {"b": 1}}


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert config.read_yaml(tmp_path / "bom.yaml") == {"a": 1}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_other_encodings_are_refused(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("title: Gerät\n", encoding=encoding)
    with pytest.raises(InputError, match=r"other.yaml: (cannot be read: is not UTF-8 text|not YAML: )"):
        config.read_yaml(tmp_path / "other.yaml")


def test_what_is_not_a_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    with (tmp_path / "large.yaml").open("wb") as stream:
        stream.truncate(10_000_000_000)
    for name, message in [
        ("fifo.yaml", "fifo.yaml: is a device, pipe or socket, not a file"),
        ("folder.yaml", "folder.yaml: is a folder, not a file"),
        ("zero.yaml", "zero.yaml: is a device, pipe or socket, not a file"),
        ("loop.yaml", "loop.yaml: cannot be read: Too many levels of symbolic links"),
        ("large.yaml", "large.yaml: holds 10,000,000,000 bytes, more than 1,000,000"),
        ("x" * 5000, "(5,0"),
        ("a\0b.yaml", "its name is not text: it contains a NUL"),
        ("a\udcffb.yaml", "bytes that are not UTF-8"),
    ]:
        with pytest.raises(InputError) as caught:
            config.read_yaml(tmp_path / name)
        assert message in str(caught.value)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "override",
    ["a." * 3000 + "b=1", "a..b=1", ".=1", "=1", "a=" + "[" * 3000, "a=" + "9" * 10_000, "a=\udcff"],
)
def test_hostile_overrides(override: str) -> None:
    with pytest.raises(InputError, match=r"--set"):
        config.apply_overrides({}, [override, "c=1"])


@pytest.mark.parametrize(
    ("text", "number"),
    [("8", 8), (" 8 ", 8), ("007", 7), ("", None), ("-1", None), ("²", None), ("٣", None), ("1_0", None)],
)
def test_whole_numbers(text: str, number: int | None) -> None:
    assert config.whole_number(text) == number
    assert config.whole_number("9" * 5000) is None
    assert config.whole_number("11", 10) is None
