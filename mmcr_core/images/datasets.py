"""Data sets as uint8 tensors that fit on the device whole, laid out (N, H, C, W) as `mmcr_core.views` wants.

A named set comes from scikit-learn or torchvision with torchvision's checksums; `folder` and `parquet` are a
user's own files, known by their content. An image that cannot be read is skipped and named, never a crash.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import itertools
import json
import os
import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmcr_core.spec import NAMED_HELDOUT, NAMED_IMAGES, DatasetSpec, RunSpec

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
MAX_NATIVE_SIZE = 256
Pixels = NDArray[np.uint8]


class DatasetError(Exception):
    """Data that is absent or of no use; the message says what would be right."""


@dataclass(frozen=True)
class Images:
    """Training and held-out images: uint8 (N, H, C, W) with int64 labels (N,), -1 where there is none."""

    train: Tensor
    train_labels: Tensor
    heldout: Tensor
    heldout_labels: Tensor
    skipped: tuple[str, ...] = field(default=())  # unreadable images: name and reason

    @property
    def channels(self) -> int:
        return self.train.shape[2]

    def to(self, device: torch.device | str) -> Images:
        """The same images on `device`."""
        return Images(
            self.train.to(device),
            self.train_labels.to(device),
            self.heldout.to(device),
            self.heldout_labels.to(device),
            self.skipped,
        )


def load(spec: DatasetSpec, device: torch.device | str = "cpu") -> Images:
    """The images of `spec` on `device`, all of them whatever its `limit`; the last set that was loaded, and one copy
    of it on a device, are kept for the next run in this process.

    Raises: DatasetError where files are absent, unreadable as a whole, or too few.
    """
    return _on_device(replace(spec, limit=None), torch.device(device))


def forget() -> None:
    """Let go of what `load` keeps: its memory, and what it knew of files that have changed since."""
    _on_device.cache_clear()
    _loaded.cache_clear()


@functools.lru_cache(maxsize=1)
def _on_device(spec: DatasetSpec, device: torch.device) -> Images:
    return _loaded(spec).to(device)


@functools.lru_cache(maxsize=1)
def _loaded(spec: DatasetSpec) -> Images:
    if spec.name == "digits":
        return _digits()
    if spec.by_content:
        return _own_files(spec)
    return _torchvision_set(spec)


def count(spec: DatasetSpec) -> tuple[int, int]:
    """Numbers of training and held-out images, without decoding any.

    Raises: DatasetError where the files of a folder or parquet set are absent.
    """
    if not spec.by_content:
        return NAMED_IMAGES[spec.name, spec.split], NAMED_HELDOUT[spec.name]
    total = len(_listing(spec)) if spec.name == "folder" else _parquet(spec).metadata.num_rows
    heldout = _heldout_count(total, spec.heldout)
    return total - heldout, heldout


def steps_of(spec: RunSpec) -> int:
    """Optimiser steps of a run, from the number of its training images, none of them decoded. Raises as `count`."""
    return spec.budget.total_steps(spec.P, spec.dataset.kept(count(spec.dataset)[0]))


def require_present(spec: DatasetSpec) -> None:
    """Raises DatasetError, with the remedy, where a set is absent and the grid does not ask to download it."""
    if spec.by_content:
        count(spec)
    elif spec.name != "digits" and not spec.download:
        _torchvision_part(spec, spec.split)


def content_digest(spec: DatasetSpec) -> str:
    """SHA-256 of a parquet file's bytes, or of a folder's sorted relative names, sizes and bytes.

    Kept in the user's cache folder beside sizes and modification times, so an unchanged set is read once.
    """
    root = Path(spec.path or "").resolve()
    files = _listing(spec) if spec.name == "folder" else [_parquet_path(spec)]
    stamps = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    key = hashlib.sha256(json.dumps([str(root), stamps]).encode()).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "mmcr-sweeps" / "digests" / key
    if cache.is_file():
        return cache.read_text()
    digest = hashlib.sha256()
    for file in files:
        if spec.name == "folder":
            digest.update(f"{file.relative_to(root).as_posix()}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    cache.parent.mkdir(parents=True, exist_ok=True)
    temporary = cache.with_name(f".{cache.name}.{os.getpid()}")
    temporary.write_text(digest.hexdigest())
    temporary.rename(cache)
    return digest.hexdigest()


def _digits() -> Images:
    """scikit-learn's 1,797 handwritten digits, 8 x 8, grey levels 0..16; every fifth image is held out."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = torch.from_numpy((digits.images * (255 / 16)).round().astype(np.uint8))[:, :, None, :]
    labels = torch.from_numpy(digits.target.astype(np.int64))
    heldout = torch.arange(len(pixels)) % 5 == 0
    return Images(pixels[~heldout], labels[~heldout], pixels[heldout], labels[heldout])


def _torchvision_set(spec: DatasetSpec) -> Images:
    train = _torchvision_part(spec, spec.split)
    heldout = _torchvision_part(spec, "test")
    return Images(*train, *heldout)


def _torchvision_part(spec: DatasetSpec, split: str) -> tuple[Tensor, Tensor]:
    from mmcr_core.images._torchvision import torchvision

    kinds = {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "stl10": "STL10"}
    kind = getattr(torchvision.datasets, kinds[spec.name])
    where = {"split": split} if spec.name == "stl10" else {"train": split == "train"}
    try:
        loaded = kind(spec.root, download=spec.download, **where)
    except (RuntimeError, OSError) as error:
        folder = os.path.abspath(spec.root)
        archive = kind.url.rsplit("/", 1)[-1]
        raise DatasetError(
            f"dataset '{spec.name}' is not in {folder} ({error}); run: mkdir -p {folder} && "
            f"curl -L {kind.url} | tar -xz -C {folder}   (archive {archive}), or set download: true"
        ) from error
    channels_first = spec.name == "stl10"  # STL-10 comes (N, C, H, W), CIFAR (N, H, W, C)
    pixels = torch.from_numpy(np.asarray(loaded.data))
    pixels = pixels.permute(0, 2, 1, 3) if channels_first else pixels.permute(0, 1, 3, 2)
    labels = loaded.labels if channels_first else loaded.targets
    return pixels.contiguous(), torch.as_tensor(np.asarray(labels), dtype=torch.int64)


def _own_files(spec: DatasetSpec) -> Images:
    entries = _folder_entries if spec.name == "folder" else _parquet_entries
    size = spec.size or _native_size(entries(spec))
    pixels: list[Pixels] = []
    labels: list[int] = []
    skipped: list[str] = []
    for name, read, label in entries(spec):
        try:
            image = _decode(read(), size)
        except Exception as error:  # decoders raise far more than OSError on damaged bytes
            skipped.append(f"{name}: {' '.join(str(error).split()) or type(error).__name__}")
            continue
        pixels.append(image)
        labels.append(label)
    if len(pixels) < 2:
        reason = f"; the first unreadable one is {skipped[0]}" if skipped else ""
        raise DatasetError(f"{spec.path} holds {len(pixels)} readable images; at least 2 are needed{reason}")
    stacked, targets = torch.from_numpy(np.stack(pixels)), torch.tensor(labels)
    heldout = torch.zeros(len(pixels), dtype=torch.bool)
    chosen = np.random.default_rng(0).permutation(len(pixels))[: _heldout_count(len(pixels), spec.heldout)]
    heldout[torch.from_numpy(chosen)] = True
    return Images(stacked[~heldout], targets[~heldout], stacked[heldout], targets[heldout], tuple(skipped))


def _heldout_count(total: int, fraction: float) -> int:
    return max(1, round(total * fraction))


Entry = tuple[str, Callable[[], bytes], int]


def _listing(spec: DatasetSpec) -> list[Path]:
    root = Path(spec.path or "").resolve()
    if not root.is_dir():
        raise DatasetError(f"folder {root} does not exist; set path: to a folder with images in class folders")
    files = sorted(file for file in root.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file())
    if not files:
        raise DatasetError(f"folder {root} holds no {', '.join(IMAGE_SUFFIXES)} files")
    return files


def _folder_entries(spec: DatasetSpec) -> Iterator[Entry]:
    """Class = first folder below the root; images directly in the root have no label."""
    root = Path(spec.path or "").resolve()
    files = _listing(spec)
    parts = [file.relative_to(root).parts for file in files]
    classes = {name: i for i, name in enumerate(sorted({part[0] for part in parts if len(part) > 1}))}
    for file, part in zip(files, parts, strict=True):
        yield "/".join(part), file.read_bytes, classes[part[0]] if len(part) > 1 else -1


def _parquet_path(spec: DatasetSpec) -> Path:
    path = Path(spec.path or "").resolve()
    if not path.is_file():
        raise DatasetError(f"file {path} does not exist; set path: to a parquet file with a column 'image'")
    return path


def _parquet(spec: DatasetSpec):  # type: ignore[no-untyped-def]
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = _parquet_path(spec)
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"file {path} is not a readable parquet file ({error})") from error
    schema = file.schema_arrow
    if "image" not in schema.names:
        raise DatasetError(f"file {path} has columns {', '.join(schema.names)}; it needs 'image' (encoded bytes)")
    kind = schema.field("image").type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or _is_hub_image(kind)):
        raise DatasetError(f"file {path}: column 'image' is {kind}; it must hold encoded JPEG, PNG or WebP bytes")
    return file


def _is_hub_image(kind) -> bool:  # type: ignore[no-untyped-def]
    """A struct with a `bytes` field, as Hugging Face's image feature is stored."""
    import pyarrow as pa

    return bool(pa.types.is_struct(kind)) and kind.get_field_index("bytes") >= 0


def _parquet_entries(spec: DatasetSpec) -> Iterator[Entry]:
    file = _parquet(spec)
    with_labels = "label" in file.schema_arrow.names
    row = 0
    for batch in file.iter_batches(1024, columns=["image", *(["label"] if with_labels else [])]):
        images = batch.column("image").to_pylist()
        labels = batch.column("label").to_pylist() if with_labels else [None] * len(images)
        for value, label in zip(images, labels, strict=True):
            encoded = value["bytes"] if isinstance(value, dict) else value
            yield f"row {row}", functools.partial(_given, encoded), -1 if label is None else int(label)
            row += 1


def _given(encoded: bytes | None) -> bytes:
    if not encoded:
        raise ValueError("no bytes")
    return encoded


def _native_size(entries: Iterator[Entry], sample: int = 100) -> int:
    """Median shorter side of the first readable images, so that one odd image decides nothing."""
    from PIL import Image

    sides = []
    for _, read, _ in itertools.islice(entries, sample):
        with contextlib.suppress(Exception), Image.open(io.BytesIO(read())) as image:
            sides.append(min(image.size))
    return min(int(statistics.median_low(sides)), MAX_NATIVE_SIZE) if sides else 1


def _decode(encoded: bytes, size: int) -> Pixels:
    """Encoded bytes to (size, 3, size): shorter side resized (bicubic), centre cut out, RGB."""
    from PIL import Image

    with Image.open(io.BytesIO(encoded)) as opened:
        image = _to_rgb(opened)
    if image.size != (size, size):
        scale = size / min(image.size)
        width, height = (max(size, round(side * scale)) for side in image.size)
        left, top = (width - size) // 2, (height - size) // 2
        image = image.resize((width, height), Image.Resampling.BICUBIC)
        image = image.crop((left, top, left + size, top + size))
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(0, 2, 1))


def _to_rgb(image: PILImage) -> PILImage:
    """Any mode to RGB: 16-bit grey is scaled (PIL would clip it), transparency is dropped."""
    from PIL import Image

    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image, dtype=np.int64) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    return image.convert("RGBA").convert("RGB") if image.mode == "P" else image.convert("RGB")


def describe_skipped(skipped: Iterable[str], shown: int = 3) -> str:
    """One line that counts and names unreadable images; empty where there are none."""
    names = list(skipped)
    if not names:
        return ""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"skipped {len(names)} unreadable images: {'; '.join(names[:shown])}{more}"
