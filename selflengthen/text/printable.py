"""Text that is safe to print: what others wrote gives no orders to a terminal.

Model texts, servers' messages, file names and options may hold escape sequences, bells, or marks
that turn the writing direction round. They are shown, not sent. What JSON would escape anyway
stays the same JSON, so program output can pass through here as well.
"""

from __future__ import annotations

import codecs
import re

_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"
    r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # line ends and writing directions
    r"\ud800-\udfff]"  # halves of a character, which no encoding takes
)
_PICTURES = 0x2400  # Unicode's pictures of control characters stand in the controls' order


def visible(text: str) -> str:
    """Show every control character but newline and tab; the rest of the text stays as it is."""
    return _CONTROL.sub(_show, text)


def one_line(text: str, most: int = 300) -> str:
    """Return the beginning of a text, printable and on one line."""
    line = " ".join(visible(" ".join(text[: 4 * most].split())).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def encodable(text: str, encoding: str) -> str:
    """Escape, as JSON does, the characters that an encoding does not have."""
    return text.encode(encoding, "selflengthen.escape").decode(encoding)


def _show(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(_PICTURES + code) if code < 0x20 else _escape(match[0])


def _escape(character: str) -> str:
    """Write a character as JSON does in ASCII: two escapes where it lies beyond U+FFFF."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


def _escape_in(error: UnicodeError) -> tuple[str, int]:
    """Escape what could not be encoded; the form is that of `codecs.register_error`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_escape, error.object[error.start : error.end])), error.end


codecs.register_error("selflengthen.escape", _escape_in)
