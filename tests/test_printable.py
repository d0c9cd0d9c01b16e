"""Text made safe to print."""

import json

import pytest

from qutiperf.printable import bounded, json_text, one_line, printable, spreadsheet_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 日本", "plain é 日本"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\x9b31m\x7f", "\\x9b31m\\x7f"),
        ("a\u202eb\u2028c\u200bd", "a\\u202eb\\u2028c\\u200bd"),
        ("cut \udc80", "cut \\udc80"),
        ("tag \U000e0041", "tag \\U000e0041"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("over\rwritten", "over\\x0dwritten"),
    ],
)
def test_what_could_steer_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert one_line(text) == shown.replace("\n", "\\n").replace("\t", "\\t")


def test_long_text_says_how_much_is_left_out() -> None:
    assert bounded("x" * 300) == "x" * 300
    assert bounded("x" * 5_000_010, 10) == f"{'x' * 10}... (5,000,000 more characters)"


@pytest.mark.parametrize("first", list("=+-@\t\r"))
def test_no_cell_is_a_formula(first: str) -> None:
    assert spreadsheet_text(f"{first}1")[0] == "'"
    assert spreadsheet_text(f"a{first}1")[0] == "a"


def test_json_keeps_its_value() -> None:
    value = {"name": "\x1b\x9b\u202e\U000e0041 é\n", "cut": "\udc80"}
    text = json_text(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(text) == value
    assert "é" in text
    assert not set("\x1b\x9b\u202e\U000e0041\udc80") & set(text)
