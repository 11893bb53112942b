"""One sample's bytes to pixels and captions. What makes a sample of no use raises `Broken` with the reason."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from mmcr_core.data.decoding import Pixels, reason, to_rgb

MAX_PIXELS = 100_000_000
MAX_IMAGE_BYTES = 256 * 2**20
MAX_TEXT_BYTES = 16 * 2**20
MAX_CHARACTERS = 2000  # of a caption; what follows is left out


class Broken(Exception):
    """A sample that cannot be used; the message says why, without paths and memory addresses."""


def decoded(encoded: bytes, size: int) -> Pixels:
    """Encoded bytes to (size, 3, size): the center square of the picture, resized (bicubic), RGB.

    A JPEG that is at least twice as large is decoded at a half, a quarter or an eighth. Raises: Broken.
    """
    from PIL import Image

    if not encoded:
        raise Broken("the image has no bytes")
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Broken(f"the image has {image.width:,} x {image.height:,} pixels, more than 100 million")
            image.draft(None, (size, size))
            picture = image if image.mode == "RGB" else to_rgb(image)
            if picture.size != (size, size):
                width, height = picture.size
                side = min(width, height)
                left, top = (width - side) / 2, (height - side) / 2
                box = (left, top, left + side, top + side)
                picture = picture.resize((size, size), Image.Resampling.BICUBIC, box=box)
            rows = picture.tobytes("raw", "RGB;L")  # lines of one color after another: (H, C, W)
    except (MemoryError, Broken):
        raise
    except Exception as error:  # decoders raise far more than OSError on damaged bytes
        raise Broken(reason(error)) from None
    return np.frombuffer(rows, dtype=np.uint8).reshape(size, 3, size)


def captions(text: bytes | None, described: bytes | None) -> tuple[str, ...]:
    """The captions of a sample: its `text`, else the "caption" of its JSON `described`, one or a list of them.

    Each is stripped and cut to 2,000 characters. Raises: Broken where there is none.
    """
    if text is not None:
        found = [_utf8(text, "the caption")]
    elif described is not None:
        found = _of_json(described)
    else:
        raise Broken("it has no caption")
    kept = tuple(caption[:MAX_CHARACTERS].strip() for one in found if (caption := one.strip()))
    if not kept:
        raise Broken("its caption is empty")
    return kept


def _of_json(described: bytes) -> list[str]:
    try:
        content: Any = json.loads(_utf8(described, "the .json"))
    except (ValueError, RecursionError):
        raise Broken("its .json is not JSON") from None
    said = content.get("caption") if isinstance(content, dict) else None
    found: list[Any] = said if isinstance(said, list) else [said]
    if not all(isinstance(one, str) for one in found):
        raise Broken("its .json has no caption" if said is None else 'the "caption" of its .json is not text')
    if any("\ud800" <= character <= "\udfff" for one in found for character in one):
        raise Broken("the caption is not UTF-8")
    return found


def _utf8(content: bytes, what: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise Broken(f"{what} is not UTF-8") from None
