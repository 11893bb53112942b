"""Images of your own as a parquet file: python examples/own_dataset/gratings.py data/gratings.parquet

Here they are drawn: gratings, whose label is their direction. Replace `images` by whatever reads yours.
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

SIDE = 16  # pixels
DIRECTIONS = 4  # classes
COUNT = 400


def images(count: int = COUNT, seed: int = 0) -> Iterator[tuple[Image.Image, int]]:
    """Pictures with their labels, each of another wavelength and phase, with noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    for i in range(count):
        label = i % DIRECTIONS
        angle = np.pi * label / DIRECTIONS
        along = (x * np.cos(angle) + y * np.sin(angle)) / rng.uniform(4, 8)
        wave = np.sin(2 * np.pi * (along + rng.uniform())) + rng.normal(0, 0.2, (SIDE, SIDE))
        yield Image.fromarray((127 + 60 * wave).clip(0, 255).astype(np.uint8)), label


def encoded(image: Image.Image) -> bytes:
    """The image as the bytes of a PNG file; JPEG, WebP and others are read too."""
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"image": encoded(image), "label": label} for image, label in images()]
    pq.write_table(pa.Table.from_pylist(rows), target)
    print(f"{len(rows)} images in {target}")
