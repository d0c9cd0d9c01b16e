"""The YAML reader, models and overrides."""

from pathlib import Path

import pytest

from qutiperf import config
from qutiperf.errors import InputError


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


def test_a_file_that_is_no_mapping(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("- 1")
    with pytest.raises(InputError, match=r"a.yaml: holds no mapping"):
        config.read_yaml(path)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.yaml: cannot be read: No such file"):
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
