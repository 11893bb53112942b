"""Encoded bytes to pixels of one size. Whatever Pillow reads is taken; of an animation the first frame."""

from __future__ import annotations

import contextlib
import io
import re
import statistics
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

MAX_NATIVE_SIZE = 256
Pixels = NDArray[np.uint8]


def decode(encoded: bytes, size: int) -> Pixels:
    """Encoded bytes to (size, 3, size): shorter side resized (bicubic), center cut out, RGB."""
    from PIL import Image

    if not encoded:
        raise ValueError("no bytes")
    with Image.open(io.BytesIO(encoded)) as opened:
        image = to_rgb(opened)
    if image.size != (size, size):
        scale = size / min(image.size)
        width, height = (max(size, round(side * scale)) for side in image.size)
        left, top = (width - size) // 2, (height - size) // 2
        image = image.resize((width, height), Image.Resampling.BICUBIC)
        image = image.crop((left, top, left + size, top + size))
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(0, 2, 1))


def native_size(images: Iterable[bytes]) -> int:
    """Median shorter side of the readable ones among `images`, so that one odd image decides nothing."""
    from PIL import Image

    sides = []
    for encoded in images:
        with contextlib.suppress(Exception), Image.open(io.BytesIO(encoded)) as image:
            sides.append(min(image.size))
    return min(int(statistics.median_low(sides)), MAX_NATIVE_SIZE) if sides else 1


def reason(error: Exception) -> str:
    """Why an image was skipped, on one line, the same in each process: without paths and memory addresses."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = re.sub(r"<[^<>]*\b0x[0-9a-fA-F]+[^<>]*>", "", text)  # Pillow names the BytesIO that it was given
    return " ".join(text.split()) or type(error).__name__


def to_rgb(image: PILImage) -> PILImage:
    """Any mode to RGB: 16-bit gray is scaled (PIL would clip it), transparency is dropped."""
    from PIL import Image

    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image, dtype=np.int64) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    return image.convert("RGBA").convert("RGB") if image.mode == "P" else image.convert("RGB")
