"""Text from files, adapters and other machines, made safe to print and to open in a spreadsheet."""

import unicodedata

# Control, format (bidirectional overrides too), surrogates, line and paragraph separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def printable(text: str) -> str:
    """`text` with everything that could steer a terminal written as an escape; newlines and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _escape(sign) if sign not in "\n\t" and unicodedata.category(sign) in _UNSAFE else sign
        for sign in text
    )


def one_line(text: str) -> str:
    """As `printable`, with newlines and tabs escaped too: for a cell, a name or a reason."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def bounded(text: str, limit: int = 300) -> str:
    """`text`, or its first `limit` characters and how many more there were."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}... ({len(text) - limit:,} more characters)"


def error_text(error: BaseException, limit: int = 1000, *, with_type: bool = True) -> str:
    """An error in one bounded, printable line, also where its own `__str__` raises."""
    name = type(error).__name__
    try:
        text = f"{name}: {error}" if with_type else str(error)
    except BaseException as second:  # noqa: BLE001 - foreign code
        text = f"{name}, whose text is not available: its __str__ raises {type(second).__name__}"
    text = " ".join(text[: 4 * limit].split())
    return one_line(text if len(text) <= limit else f"{text[:limit]} ...")


def spreadsheet_text(text: str) -> str:
    """A text cell that no spreadsheet takes for a formula."""
    return f"'{one_line(text)}" if text.startswith(_FORMULA) else one_line(text)


def json_text(dumped: str) -> str:
    """Dumped JSON with what could steer a terminal as \\u escapes; its value is unchanged."""
    if dumped.isascii() and "\x7f" not in dumped:
        return dumped
    return "".join(
        _json_escape(sign) if sign != "\n" and unicodedata.category(sign) in _UNSAFE else sign
        for sign in dumped
    )


def _escape(sign: str) -> str:
    code = ord(sign)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _json_escape(sign: str) -> str:
    code = ord(sign)
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
