"""The embedded pairs that need no download: glyphs of the DejaVu Sans that matplotlib ships, with their Unicode names.

A glyph is drawn from its outline, unhinted, so that which there are does not depend on the rasteriser; of characters
that share an outline (Latin A, Greek Alpha) the first is kept. Pixels are 32 x 32 gray levels, white on black, all
glyphs at one scale but those too large for the square.
"""

from __future__ import annotations

import contextlib
import functools
import os
import unicodedata
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mmcr_core.data.dataset import NamedDataset, divided
from mmcr_core.data.image_text.pair_dataset import PairDataset
from mmcr_core.data.image_text.pair_set import Pairs

SIDE = 32
EM_PIXELS = 24.0  # of the font's em square, so that capitals are about 17 pixels high
BASELINE = 9.0  # pixels above the lower edge
MARGIN = 1.0
FIXED_POINT = 65536  # FreeType's unit of advances
HELD_OUT_EVERY = 12
LEAST_OF_A_CLASS = 30  # glyphs whose names begin with the word, for it to be a class


class Glyphs(NamedTuple):
    """All of them in the order of their code points: pixels (N, H, 1, W) uint8, a name each, labels (N,) that say
    with which of `classes` its name begins (-1: with none of them), and which are held out (N,)."""

    pixels: NDArray[np.uint8]
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    heldout: NDArray[np.bool_]


class GlyphPairs(PairDataset, NamedDataset):
    """A glyph's caption is its name."""

    side = SIDE

    def load(self) -> Pairs:
        drawn = glyphs()
        images = divided(*(torch.from_numpy(part) for part in (drawn.pixels, drawn.labels, drawn.heldout)))
        train, heldout = (
            tuple((name,) for name, held in zip(drawn.names, drawn.heldout, strict=True) if held == kept)
            for kept in (False, True)
        )
        return Pairs(*images, classes=drawn.classes, train_captions=train, heldout_captions=heldout)


@functools.cache
def glyphs() -> Glyphs:
    """Draw all glyphs, in about a second, whatever a matplotlibrc says."""
    matplotlib = _matplotlib()
    from matplotlib import style

    with style.context("default"):
        return _glyphs(os.path.join(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"))


def _matplotlib() -> Any:
    """The module, also where MPLBACKEND names a backend that is not installed, as in Jupyter's shells: importing it
    would fail."""
    chosen = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if chosen is not None:
            os.environ["MPLBACKEND"] = chosen
    if chosen:
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = chosen
    return matplotlib


def _glyphs(file: str) -> Glyphs:
    from matplotlib import ft2font

    font = ft2font.FT2Font(file)
    font.set_size(EM_PIXELS, 72)
    drawn: dict[bytes, tuple[str, NDArray[np.uint8]]] = {}
    for code in sorted(font.get_charmap()):
        name = unicodedata.name(chr(code), "")
        advance = font.load_char(code, flags=ft2font.LoadFlags.NO_HINTING).linearHoriAdvance / FIXED_POINT
        path = font.get_path()
        vertices, codes = np.asarray(path[0], dtype=np.float64), np.asarray(path[1], dtype=np.uint8)
        outline = vertices.tobytes() + codes.tobytes()
        if name and len(vertices) and outline not in drawn:
            drawn[outline] = name.lower(), _drawn(vertices, codes, advance)
    names = tuple(name for name, _ in drawn.values())
    classes, labels = _classes(names)
    pixels = np.stack([image for _, image in drawn.values()])[:, :, None, :]
    return Glyphs(pixels, names, labels, classes, np.arange(len(names)) % HELD_OUT_EVERY == 0)


def _drawn(vertices: NDArray[np.float64], codes: NDArray[np.uint8], advance: float) -> NDArray[np.uint8]:
    """(SIDE, SIDE) of an outline in pixels, on the baseline and in the middle of its advance, moved or shrunk where it
    would not fit."""
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.path import Path
    from matplotlib.transforms import Affine2D

    outline = Path(vertices, codes)
    box, room = outline.get_extents(), SIDE - 2 * MARGIN
    scale = min(1.0, room / max(box.width, box.height, MARGIN))
    low = np.array([SIDE / 2 - scale * advance / 2 + scale * box.x0, BASELINE + scale * box.y0])
    most = np.array([SIDE - MARGIN - scale * box.width, SIDE - MARGIN - scale * box.height])
    fits = np.clip(low, MARGIN, most) - low
    place = Affine2D().scale(scale).translate(SIDE / 2 - scale * advance / 2 + fits[0], BASELINE + fits[1])
    renderer = RendererAgg(SIDE, SIDE, 72)
    context = renderer.new_gc()
    context.set_linewidth(0)
    renderer.draw_path(context, outline, place, (1.0, 1.0, 1.0))
    image: NDArray[np.uint8] = np.asarray(renderer.buffer_rgba())[:, :, 3].copy()
    return image


def _classes(names: tuple[str, ...]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The words with which many names begin, most often the script, and each glyph's place among them."""
    first = [name.split()[0] for name in names]
    classes = tuple(sorted(word for word in set(first) if first.count(word) >= LEAST_OF_A_CLASS))
    return classes, np.array([classes.index(word) if word in classes else -1 for word in first])
