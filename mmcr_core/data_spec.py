"""Which images, or image-text pairs, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from mmcr_core.checks import STRICT, require

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


@dataclass(frozen=True)
class DatasetSpec:
    """Which images, or image-text pairs. `root` (named sets) and `path` (folder, parquet, shards) say where they lie.

    `size` is the side in pixels at which folder and parquet images are kept (None: the first images' median shorter
    side, 256 at most), and to which those of shards are cut (None: the views' size); `heldout` the fraction kept for
    evaluation; `digest` what a user's own files are known by, filled in when the grid is planned, which enters the
    run's identity in place of the path: the SHA-256 of their content, of shards that of their names, sizes and
    checksums. `limit` trains on so many images only, drawn once for all seeds: a smaller limit's are among those of a
    larger one. Held-out images and a probe's labels are not limited.

    Pairs: `glyphs`, `shards`, and `parquet` with `pairs: true`. `captions` of the K views are captions of the image
    (1), drawn anew each time where an image has more. Of shards, `sampling` is by `epochs`, each sample once in each,
    or with `replacement`; `processes` decode them, which changes no number; `samples` is how many there are, for a plan
    where they are not at hand.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: DatasetName
    split: str = "train"
    root: str = "./data"
    path: str | None = None
    download: bool = False
    size: int | None = None
    heldout: float = 0.1
    digest: str | None = None
    limit: int | None = None
    pairs: bool = False
    captions: int | None = None
    sampling: Literal["epochs", "replacement"] | None = None
    processes: int | None = None
    samples: int | None = None

    def __post_init__(self) -> None:
        require(self.limit is None or self.limit >= 2, "limit", "must be 2 or more images")
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
            for key, default in (("path", None), ("size", None), ("heldout", 0.1), ("digest", None)):
                require(
                    getattr(self, key) == default,
                    key,
                    f"applies to folder, parquet and shards, not to dataset '{self.name}'; leave it out",
                )

    def _require_pairs(self) -> None:
        require(
            not self.pairs or self.name == "parquet", "pairs", f"applies to parquet, not to '{self.name}'; leave it out"
        )
        if self.has_captions:
            object.__setattr__(self, "captions", 1 if self.captions is None else self.captions)
        unfit = f"applies to image-text pairs, and dataset '{self.name}' has images alone; leave it out"
        if self.name == "parquet":
            unfit = "applies to image-text pairs; give pairs: true too, or leave it out"
        require(self.has_captions or self.captions is None, "captions", unfit)
        require(self.captions is None or self.captions >= 1, "captions", "must be 1 or more of the K views")
        for key, default in (("sampling", "epochs"), ("processes", 2), ("samples", None)):
            if self.name == "shards" and getattr(self, key) is None:
                object.__setattr__(self, key, default)
            unfit = f"applies to shards, not to dataset '{self.name}'; leave it out"
            require(self.name == "shards" or getattr(self, key) is None, key, unfit)
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
