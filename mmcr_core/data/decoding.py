"""Encoded bytes to pixels of one size, the one decoder of all data sets. Whatever Pillow reads is taken.

Of an animation the first frame is taken; transparency is dropped; a picture is turned as its EXIF orientation says;
gray levels of 16 bits and floats from 0 to 1 are scaled to 8 bits. A picture whose range of values cannot be known is
refused, since a guess would make it black.
"""

from __future__ import annotations

import contextlib
import functools
import io
import re
import statistics
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage
    from PIL.Image import Transpose

IMAGE_SUFFIXES = ("jpg", "jpeg", "jfif", "png", "webp", "bmp", "tif", "tiff", "gif")
MAX_NATIVE_SIZE = 256
MAX_PIXELS = 178_956_970  # above which Pillow takes a picture for a decompression bomb
MAX_ASPECT = 8  # above which the center is cut out before it is resized
ORIENTATION = 0x0112
UPRIGHT = 1
Pixels = NDArray[np.uint8]
_OPENING = threading.Lock()


@contextlib.contextmanager
def opened(encoded: bytes, max_pixels: int | None = None) -> Iterator[PILImage]:
    """A picture whose header is read and no pixel decoded.

    Raises: ValueError where there are no bytes or more than `max_pixels` (None: Pillow's limit of 178,956,970); what
        Pillow raises where it is not a picture.
    """
    from PIL import Image

    if not encoded:
        raise ValueError("no bytes")
    with _OPENING:  # Pillow's limit belongs to the process
        kept, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(io.BytesIO(encoded))
        finally:
            Image.MAX_IMAGE_PIXELS = kept
    with image:
        most = max_pixels or MAX_PIXELS
        if image.width * image.height > most:
            raise ValueError(f"it has {image.width:,} x {image.height:,} pixels, more than {most:,}")
        yield image


def decode(encoded: bytes, size: int, *, streamed: bool = False, max_pixels: int | None = None) -> Pixels:
    """Encoded bytes to (size, 3, size): shorter side resized (bicubic), center cut out, RGB.

    `streamed`: the center is cut out first and a JPEG that is at least twice as large is decoded at a half, a quarter
    or an eighth, which is faster and gives other last digits. Raises as `opened`, and ValueError where the range of
    the picture's values is not known.
    """
    from PIL import Image

    with opened(encoded, max_pixels) as image:
        if streamed:
            image.draft(None, (size, size))
        turn = orientation(image)
        picture = to_rgb(image)
        if turn != UPRIGHT:
            picture = picture.transpose(_transpositions()[turn])
        width, height = picture.size
        if streamed or is_thin(picture):
            side = min(width, height)
            left, top = (width - side) / 2, (height - side) / 2
            if (width, height) != (size, size):
                box = (left, top, left + side, top + side)
                picture = picture.resize((size, size), Image.Resampling.BICUBIC, box=box)
        elif (width, height) != (size, size):
            scale = size / min(width, height)
            width, height = (max(size, round(side * scale)) for side in (width, height))
            left, top = (width - size) // 2, (height - size) // 2
            picture = picture.resize((width, height), Image.Resampling.BICUBIC)
            picture = picture.crop((left, top, left + size, top + size))
        rows = picture.tobytes("raw", "RGB;L")  # lines of one color after another: (H, C, W)
    return np.frombuffer(rows, dtype=np.uint8).reshape(size, 3, size)


def native_size(images: Iterable[bytes]) -> int:
    """Median shorter side of the readable ones among `images`, so that one odd image decides nothing."""
    sides = []
    for encoded in images:
        with contextlib.suppress(Exception), opened(encoded) as image:
            sides.append(min(image.size))
    return min(int(statistics.median_low(sides)), MAX_NATIVE_SIZE) if sides else 1


def reason(error: Exception) -> str:
    """Why an image was skipped, on one line, the same in each process: without paths and memory addresses."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = re.sub(r"<[^<>]*\b0x[0-9a-fA-F]+[^<>]*>", "", text)  # Pillow names the BytesIO that it was given
    return " ".join(text.split()) or type(error).__name__


def is_read_anew(image: PILImage, streamed: bool) -> bool:
    """Whether version 0.1 decoded a picture otherwise: such pictures give a run another id."""
    ranges = image.mode in ("I", "F", "La") or (image.mode.startswith("I;16") and gray_bits(image) != 16)
    cut = image.width * image.height > 100_000_000 if streamed else is_thin(image)
    return ranges or cut or orientation(image) != UPRIGHT


def is_thin(image: PILImage) -> bool:
    """Whether resizing all of a picture would cost much more than resizing its center."""
    return max(image.size) > MAX_ASPECT * min(image.size)


def orientation(image: PILImage) -> int:
    """EXIF orientation from 1 (upright) to 8, where it stands before the pixels; Pillow itself turns a TIFF."""
    from PIL.Image import Image as AnyFormat

    if image.format == "TIFF":
        return UPRIGHT
    try:
        said = AnyFormat.getexif(image).get(ORIENTATION, UPRIGHT)  # that of a PNG would decode the pixels first
    except Exception:  # a damaged note about a picture is no damage to the picture
        return UPRIGHT
    return int(said) if said in _transpositions() else UPRIGHT


def gray_bits(image: PILImage) -> int:
    """Significant bits of 16-bit gray levels: 12 in a TIFF that packs them."""
    said = image.tag_v2.get(258) if image.format == "TIFF" and hasattr(image, "tag_v2") else None
    return int(said[0]) if isinstance(said, tuple) and said and 8 < said[0] < 16 else 16


def to_rgb(image: PILImage) -> PILImage:
    """Any mode to RGB. Raises: ValueError where the range of gray levels is not known."""
    from PIL import Image

    mode = image.mode
    if mode == "RGB":
        return image
    if mode.startswith("I;16"):
        levels = np.asarray(image, dtype=np.int64) >> (gray_bits(image) - 8)
        return Image.fromarray(levels.astype(np.uint8)).convert("RGB")
    if mode in ("I", "F"):
        return Image.fromarray(_levels(np.asarray(image))).convert("RGB")
    through = {"P": "RGBA", "La": "LA"}.get(mode)
    return (image.convert(through) if through else image).convert("RGB")


def _levels(values: NDArray[np.int32] | NDArray[np.float32]) -> Pixels:
    """Gray levels of 32 bits as bytes: as they are up to 255, floats up to 1 scaled."""
    low, high = values.min(), values.max()
    whole = values.dtype.kind == "i"
    if not (low >= 0 and high <= 255):  # false of NaN too
        kind = "32-bit integers" if whole else "floats"
        raise ValueError(f"its gray levels are {kind} from {low:g} to {high:g}; save it as a PNG of 8 or 16 bits")
    scale = 255 if not whole and high <= 1 else 1
    return np.rint(values * scale).astype(np.uint8)


@functools.cache
def _transpositions() -> dict[int, Transpose]:
    """EXIF orientation -> how a picture is turned upright."""
    from PIL.Image import Transpose

    return {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
