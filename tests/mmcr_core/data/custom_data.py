"""Small image files, folders and parquet files of the kinds that users have."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from mmcr_core.config.run import DatasetSpec

ANIMALS = ("cat", "dog", "eel")
HUB_IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})


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


def gray(level):
    return saved(Image.new("L", (4, 4), level))


def hub_table(levels, labels, names=ANIMALS, image="image", label="label", **columns):
    """What `datasets` writes of images of a gray level each and a ClassLabel: see test_hub_files."""
    features = {image: {"_type": "Image"}, label: {"names": list(names), "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    images = pa.array([{"bytes": gray(level), "path": None} for level in levels], HUB_IMAGE)
    table = pa.table({image: images, label: pa.array(labels, pa.int64()), **columns})
    return table.replace_schema_metadata(metadata)


def write_hub(folder, split="train", parts=((0, 1, 2), (3, 4)), **options):
    """Files of a split whose images' gray levels are numbered through, each labeled by its level modulo 3."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, levels in enumerate(parts):
        file = folder / f"{split}-{place:05}-of-{len(parts):05}.parquet"
        pq.write_table(hub_table(levels, [level % 3 for level in levels], **options), file)
    return DatasetSpec("parquet", path=str(folder))
