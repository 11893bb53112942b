"""Which images, or image-text pairs, as one frozen value; the options of each kind of data set are a small class here.

To add a data set, name its options in `DATASETS` and its sizes in the tables below.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, get_args, get_type_hints

from mmcr_core.config.validation import FILLED_IN, STRICT, absolute, options_of, require, settle_options

NAMED_IMAGES = {  # (data set, split) -> training images
    ("digits", "train"): 1437,
    ("cifar10", "train"): 50_000,
    ("cifar100", "train"): 50_000,
    ("stl10", "train"): 5_000,
    ("stl10", "unlabeled"): 100_000,
    ("stl10", "train+unlabeled"): 105_000,
    ("glyphs", "train"): 4905,
}
ONE_CHANNEL = ("digits", "glyphs")
NAMED_CLASSES = {"digits": 10, "cifar10": 10, "cifar100": 100, "stl10": 10, "glyphs": 26}
NAMED_HELDOUT = {"digits": 360, "cifar10": 10_000, "cifar100": 10_000, "stl10": 8_000, "glyphs": 446}


@dataclass(frozen=True, kw_only=True)
class DatasetOptions:
    """What every data set has; one that is known by its name has no more."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    split: Literal["train"] = "train"
    """Which part of the data set to train on."""


@dataclass(frozen=True, kw_only=True)
class STL10Options:
    """Coates et al. 2011; the paper trains on train and unlabeled images."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    split: Literal["train", "unlabeled", "train+unlabeled"] = "train"
    """Which part of the data set to train on."""


@dataclass(frozen=True, kw_only=True)
class GlyphsOptions(DatasetOptions):
    """The glyphs of a font and their Unicode names."""

    captions: int = 1
    """How many of the K views are captions, redrawn each time if the image has more."""


@dataclass(frozen=True, kw_only=True)
class FolderOptions(DatasetOptions):
    """A user's own files, known by their content."""

    path: str = field(metadata={"remedy": "give a folder, a parquet file, or shards as DIR/{00000..00127}.tar"})
    """A folder of images; a parquet file, a folder of them, or `DIR/*.parquet`; shards as `DIR/{00000..00127}.tar`,
    local or at URLs."""
    size: int | None = None
    """Side in pixels at which images are kept (null: the median shorter side of the first images, at most 256; of
    shards, the size of the views)."""
    heldout: float = 0.1
    """Fraction of your files that is held out for evaluation (1, all of them, only under `evaluate.zero_shot`)."""
    digest: str | None = field(default=None, metadata=FILLED_IN)
    """The SHA-256 of their content, of shards that of their names, sizes and checksums."""
    decoding: int | None = field(default=None, metadata=FILLED_IN)
    """2 where there are images or captions among them that version 0.1 read otherwise or not at all."""
    max_pixels: int | None = None
    """Images with more pixels are skipped and named (null: 178,956,970, Pillow's limit)."""

    def __post_init__(self) -> None:
        require(self.max_pixels is None or self.max_pixels >= 1, "max_pixels", "must be 1 or more")
        require(0 < self.heldout <= 1, "heldout", "must lie between 0 and 1, such as 0.1")
        require(self.size is None or 1 <= self.size <= 1024, "size", "must lie in 1..1024 pixels")


@dataclass(frozen=True, kw_only=True)
class ParquetOptions(FolderOptions):
    """Parquet files with a column of images, as on the Hugging Face Hub."""

    split: str = "train"  # type: ignore[assignment]
    """Which files, by their names: `train` is `train-00000-of-00005.parquet` and the like, or all files if no name
    tells a split; `train+validation` is both."""
    image_column: str | None = None
    """Column of the images (null: `image`)."""
    label_column: str | None = None
    """Column of the labels (null: `label`, if there is one)."""
    caption_column: str | None = None
    """Column of the captions, texts or lists of texts (null: `caption`)."""
    pairs: bool = False
    """Whether the rows are image-text pairs."""
    captions: int | None = None
    """How many of the K views are captions (null: 1 with `pairs: true`, else none)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        unfit = "applies to image-text pairs; give pairs: true too, or leave it out"
        require(self.pairs or self.captions is None, "captions", unfit)
        require(self.pairs or self.caption_column is None, "caption_column", unfit)
        splits = self.split.split("+")
        twice = f"'{self.split}' must name splits, each once, with + between them"
        require(all(splits) and len(set(splits)) == len(splits), "split", twice)
        given = [one for one in (self.image_column, self.label_column, self.caption_column) if one is not None]
        require(len(set(given)) == len(given), "label_column", "is the column of something else too; name another")
        if self.pairs and self.captions is None:
            object.__setattr__(self, "captions", 1)


@dataclass(frozen=True, kw_only=True)
class ShardsOptions(FolderOptions):
    """Tar files of image-text pairs."""

    captions: int = 1
    """How many of the K views are captions, redrawn each time if the image has more."""
    sampling: Literal["epochs", "replacement"] = "epochs"
    """`epochs`: each sample once per epoch; or with `replacement`."""
    processes: int = 2
    """Decoding processes; they change no number."""
    samples: int | None = None
    """Number of samples, to plan without the shards (null: counted)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(1 <= self.processes <= 256, "processes", "must lie in 1..256")
        require(self.samples is None or self.samples >= 2, "samples", "must be 2 or more")


DatasetName = Literal["digits", "cifar10", "cifar100", "stl10", "folder", "parquet", "glyphs", "shards"]
DATASETS: dict[str, type] = {
    **dict.fromkeys(("digits", "cifar10", "cifar100"), DatasetOptions),
    "stl10": STL10Options,
    "folder": FolderOptions,
    "parquet": ParquetOptions,
    "glyphs": GlyphsOptions,
    "shards": ShardsOptions,
}
PAIRS = ("glyphs", "shards")  # and parquet with pairs: true


@functools.cache
def _splits(kind: type) -> tuple[str, ...]:
    return get_args(get_type_hints(kind)["split"])


@dataclass(frozen=True)
class DatasetSpec:
    """Which images, or image-text pairs, with the options of all data sets; None where an option is another's."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: DatasetName
    """The data set."""
    split: str = "train"
    root: str = "./data"
    """Folder of a named data set, from the current folder."""
    path: str | None = None
    download: bool = False
    """Whether to fetch `cifar10`, `cifar100` or `stl10` if it is absent."""
    size: int | None = None
    heldout: float = 0.1
    digest: str | None = None
    decoding: int | None = None
    max_pixels: int | None = None
    image_column: str | None = None
    label_column: str | None = None
    caption_column: str | None = None
    limit: int | None = None
    """Number of training images (null: all). Smaller limits are subsets of larger ones, the same for all seeds;
    held-out images and a probe's labels are not limited. Not for shards."""
    pairs: bool = False
    captions: int | None = None
    sampling: Literal["epochs", "replacement"] | None = None
    processes: int | None = None
    samples: int | None = None

    def __post_init__(self) -> None:
        require(self.limit is None or self.limit >= 2, "limit", "must be 2 or more images")
        whole = "applies to data that is read as a whole, not to shards; name fewer of them in path"
        require(self.name != "shards" or self.limit is None, "limit", whole)
        alone = f"applies to image-text pairs, and dataset '{self.name}' has images only; leave it out"
        kind = DATASETS[self.name]
        require(self.captions is None or "captions" in options_of(kind), "captions", alone)
        splits = _splits(kind)
        unknown = f"is not a split of dataset '{self.name}'; use one of {', '.join(splits)}"
        require(not splits or self.split in splits, "split", unknown)  # of parquet files their names tell
        settle_options(self, DATASETS, self.name, f"dataset '{self.name}'")
        require(self.captions is None or self.captions >= 1, "captions", "must be 1 or more of the K views")

    def at_absolute_paths(self) -> DatasetSpec:
        """The same, its paths absolute; URLs stay as they are."""
        return replace(self, root=absolute(self.root), path=self.path and absolute(self.path))

    def kept(self, available: int) -> int:
        """How many of `available` training images are trained on."""
        return available if self.limit is None else min(self.limit, available)

    @property
    def by_content(self) -> bool:
        """Whether the images are a user's own files, known only by their content."""
        return issubclass(DATASETS[self.name], FolderOptions)

    @property
    def has_captions(self) -> bool:
        """Whether these are image-text pairs."""
        return self.pairs or self.name in PAIRS
