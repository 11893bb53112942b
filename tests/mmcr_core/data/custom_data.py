"""Small image files, folders and parquet files of the kinds that users have."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from mmcr_core.config.run import DatasetSpec


def encoded(size=(12, 12), mode="RGB", kind="PNG", seed=0):
    channels = {"RGB": 3, "RGBA": 4, "CMYK": 4, "L": 1, "LA": 2}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    return saved(Image.fromarray(pixels[..., 0] if mode == "L" else pixels, mode=mode), kind)


def saved(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def write_parquet(path, images, labels=None):
    columns = {"image": pa.array(images, pa.binary())}
    pq.write_table(pa.table(columns | ({} if labels is None else {"label": labels})), path)
    return DatasetSpec("parquet", path=str(path))


def write_folder(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return DatasetSpec("folder", path=str(root))
