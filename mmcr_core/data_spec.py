"""Which images, or image-text pairs, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from mmcr_core.checks import STRICT, listed, require

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


DatasetName = Literal["digits", "cifar10", "cifar100", "stl10", "folder", "parquet", "glyphs", "shards"]
OWN_FILES = ("folder", "parquet", "shards")
PAIRS = ("glyphs", "shards")  # and parquet with pairs: true
DATASET_KEYS = {  # key -> the data sets that it applies to; a key that is not listed applies to all
    "path": OWN_FILES,
    "size": OWN_FILES,
    "heldout": OWN_FILES,
    "digest": OWN_FILES,
    "pairs": ("parquet",),
    "sampling": ("shards",),
    "processes": ("shards",),
    "samples": ("shards",),
}


@dataclass(frozen=True)
class DatasetSpec:
    """Which images, or image-text pairs: `glyphs`, `shards`, and `parquet` with `pairs: true`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: DatasetName
    """Which data set; a text in place of the mapping is its name."""
    split: str = "train"
    """Which part of a named data set is trained on; a user's own files have none."""
    root: str = "./data"
    """The folder in which a named data set lies, from the current folder."""
    path: str | None = None
    """Where a user's own files lie: a folder, a parquet file, or shards as `DIR/{00000..00127}.tar`, local or at URLs.
    A run knows them by their content."""
    download: bool = False
    """Whether to fetch `cifar10`, `cifar100` or `stl10` where it is absent."""
    size: int | None = None
    """The side in pixels at which images are kept (null: of a folder or a parquet file the first images' median shorter
    side, 256 at most; of shards the size of the views)."""
    heldout: float = 0.1
    """The share of a user's own files that is kept for evaluation."""
    digest: str | None = None
    """What a user's own files are known by, in place of their path: the SHA-256 of their content, of shards that of
    their names, sizes and checksums."""
    limit: int | None = None
    """How many training images are used (null: all). They are drawn once for all seeds, those of a smaller limit among
    those of a larger one; held-out images and a probe's labels are not limited, and shards cannot be."""
    pairs: bool = False
    """Whether the file's rows are image-text pairs, with a column `caption`."""
    captions: int | None = None
    """Of image-text pairs, how many of the K views are captions of the image, drawn anew each time where it has more
    (null where there are images alone)."""
    sampling: Literal["epochs", "replacement"] | None = None
    """How samples are drawn: by `epochs`, each once in each, or with `replacement`."""
    processes: int | None = None
    """How many processes decode samples; it changes no number."""
    samples: int | None = None
    """How many samples there are, for a plan where the shards are not at hand (null: counted)."""

    def __post_init__(self) -> None:
        require(self.limit is None or self.limit >= 2, "limit", "must be 2 or more images")
        for key, names in DATASET_KEYS.items():
            unfit = f"applies to {listed(names)}, not to dataset '{self.name}'; leave it out"
            require(self.name in names or getattr(self, key) == getattr(DatasetSpec, key), key, unfit)
        self._require_pairs()
        if self.by_content:
            require(self.path is not None, "path", f"is missing; dataset '{self.name}' needs path: where it lies")
            require(self.split == "train", "split", f"does not apply to dataset '{self.name}'; leave it out")
            require(0 < self.heldout < 1, "heldout", "must lie between 0 and 1, such as 0.1")
            require(self.size is None or 1 <= self.size <= 1024, "size", "must lie in 1..1024 pixels")
        else:
            splits = [split for name, split in NAMED_IMAGES if name == self.name]
            require(
                self.split in splits,
                "split",
                f"'{self.split}' is not a split of dataset '{self.name}'; use one of {', '.join(splits)}",
            )

    def _require_pairs(self) -> None:
        if self.has_captions:
            object.__setattr__(self, "captions", 1 if self.captions is None else self.captions)
        unfit = f"applies to image-text pairs, and dataset '{self.name}' has images alone; leave it out"
        if self.name == "parquet":
            unfit = "applies to image-text pairs; give pairs: true too, or leave it out"
        require(self.has_captions or self.captions is None, "captions", unfit)
        require(self.captions is None or self.captions >= 1, "captions", "must be 1 or more of the K views")
        for key, default in (("sampling", "epochs"), ("processes", 2)):
            if self.name == "shards" and getattr(self, key) is None:
                object.__setattr__(self, key, default)
        require(self.processes is None or 1 <= self.processes <= 256, "processes", "must lie in 1..256")
        require(self.samples is None or self.samples >= 2, "samples", "must be 2 or more")
        whole = "applies to data that is read as a whole, not to shards; name fewer of them in path"
        require(self.name != "shards" or self.limit is None, "limit", whole)

    def kept(self, available: int) -> int:
        """How many of `available` training images are trained on."""
        return available if self.limit is None else min(self.limit, available)

    @property
    def by_content(self) -> bool:
        """Whether the images are a user's own files, known only by their content."""
        return self.name in OWN_FILES

    @property
    def has_captions(self) -> bool:
        """Whether these are image-text pairs."""
        return self.pairs or self.name in PAIRS
