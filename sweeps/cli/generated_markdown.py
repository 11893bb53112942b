"""A page of which one part, between two markers, is written by a command, and the rest by hand."""

from __future__ import annotations

from pathlib import Path

from sweeps.cli.errors import UserError


def read_marked(page: Path, begin: str, end: str) -> str:
    """The text of a page that has each marker once, `begin` before `end`. Raises UserError for any other."""
    try:
        text = page.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{page} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(end) < text.index(begin):
        raise UserError(f"{page} has no place for it: give a page with the lines '{begin}' and '{end}', each once")
    return text


def write_marked(page: Path, text: str) -> None:
    """Write such a page where it lies: a link stays a link, line ends and permissions are kept. Raises UserError."""
    try:
        page.write_bytes(text.encode())
    except OSError as error:
        raise UserError(f"{page} cannot be written: {error.strerror or error}") from error


def between_markers(text: str, begin: str, end: str, written: str) -> str:
    """A text of `read_marked` with `written` between its markers."""
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n\n{written.strip()}\n\n{end}{after}"
