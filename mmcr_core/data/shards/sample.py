"""One sample's bytes to pixels and captions. What makes a sample of no use raises `Broken` with the reason."""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import Any

from mmcr_core import strict_json
from mmcr_core.data.decoding import Pixels, decode, reason
from mmcr_core.data.image_text.captions import NoCaption, captions_of

MAX_IMAGE_BYTES = 256 * 2**20
MAX_TEXT_BYTES = 16 * 2**20
NAMED = 5  # keys of a JSON that an error names


class Broken(Exception):
    """A sample that cannot be used; the message says why, without paths and memory addresses."""


class Ambiguous(Broken):
    """Its JSON has a key twice."""


def decoded(encoded: bytes, size: int, max_pixels: int | None = None) -> Pixels:
    """Encoded bytes to (size, 3, size) by `decode` as shards use it. Raises: Broken."""
    try:
        return decode(encoded, size, streamed=True, max_pixels=max_pixels)
    except MemoryError:
        raise
    except Exception as error:  # decoders raise far more than OSError on damaged bytes
        raise Broken(reason(error)) from None


def captions(text: bytes | None, described: bytes | None) -> tuple[str, ...]:
    """The captions of a sample: its `text`, else the "caption" of its JSON `described`, as `captions_of` reads them.

    Raises: Broken where there is none.
    """
    try:
        return captions_of(_of_json(described) if text is None and described is not None else _utf8(text))
    except NoCaption as error:
        raise Broken(str(error)) from None


def captions_read_anew(described: bytes) -> bool:
    """Whether version 0.1 read other captions of a JSON, or none: a byte order mark, a key twice, a list with null."""
    try:
        said = _of_json(described)
    except Ambiguous:
        return True
    except (Broken, NoCaption):
        return False
    return described.startswith(BOM_UTF8) or (isinstance(said, list) and None in said)


def _of_json(described: bytes) -> Any:
    text = _utf8(described) or ""
    try:
        content: Any = strict_json.loads(text)
    except strict_json.RepeatedKey as error:
        raise Ambiguous(f'its .json has "{error.key}" twice') from None
    except (ValueError, RecursionError):
        raise Broken("its .json is not JSON") from None
    if not isinstance(content, dict):
        raise Broken("its .json has no caption: it is not an object")
    if "caption" not in content:
        keys = ", ".join(list(content)[:NAMED]) or "none"
        raise Broken(f'its .json has no "caption"; its keys are {keys}')
    return content["caption"]


def _utf8(content: bytes | None) -> str | None:
    """A text with or without a byte order mark."""
    try:
        return None if content is None else content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NoCaption("its caption is not UTF-8") from None
