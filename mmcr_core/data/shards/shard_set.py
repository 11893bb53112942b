"""A set of shards as planning knows it: which they are, how many samples each has, and the digest that names them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

from mmcr_core.config.run import DatasetSpec
from mmcr_core.data.image_set import ContentChanged, DatasetError
from mmcr_core.data.shards.cache import Shard
from mmcr_core.data.shards.metadata import Facts, facts
from mmcr_core.data.shards.paths import places
from mmcr_core.data.survey import NAMED, READ_ANEW, Account, Some, turned_remark


@dataclass(frozen=True)
class ShardSet:
    """`shards` in the order of their names; `train` samples come first, the last `heldout` are kept for evaluation.

    `digest`: SHA-256 of names, sizes and checksums; `decoding`, `remarks`: as `Contents` has them; `max_pixels`:
    of an image; `processes`: how many decode.
    """

    shards: tuple[Shard, ...]
    train: int
    heldout: int
    digest: str
    decoding: int | None = None
    remarks: tuple[str, ...] = ()
    max_pixels: int | None = None
    processes: int = field(default=2, compare=False)

    @cached_property
    def training(self) -> tuple[int, ...]:
        """Training samples of each shard."""
        left, counts = self.train, []
        for shard in self.shards:
            counts.append(min(left, shard.samples))
            left -= counts[-1]
        return tuple(counts)


def open_shards(spec: DatasetSpec) -> ShardSet:
    """The shards that `spec.path` names, counted.

    Raises: ContentChanged where they are not those that `spec.digest` names; DatasetError where nothing matches, a
    shard cannot be read or has no pair, or all of them have fewer than 2 samples.
    """
    path = spec.path or ""
    known = facts(places(path), spec.max_pixels)
    shards = tuple(one.shard for one in known)
    total = sum(shard.samples for shard in shards)
    if total < 2:
        raise DatasetError(f"{path} holds {total} samples; at least 2 are needed, one of them to hold out")
    digest = _digest(shards)
    if spec.digest is not None and digest != spec.digest:
        raise ContentChanged(path, digest, spec.digest)
    train, heldout = divided(total, spec.heldout)
    decoding = READ_ANEW if any(one.read_anew for one in known) else None
    remarks = _remarks(known, f"shards {path}")
    return ShardSet(shards, train, heldout, digest, decoding, remarks, spec.max_pixels, spec.processes or 2)


def _remarks(known: list[Facts], where: str) -> tuple[str, ...]:
    """Of some shards what is odd about each, of all of them together what is left out and turned."""
    odd = [remark for one in known for remark in one.remarks]
    if len(odd) > NAMED:
        odd[NAMED:] = [f"{where}: so it is with {len(odd) - NAMED} more"]
    accounts = [one.account for one in known if one.account]
    account = sum(accounts[1:], accounts[0]) if accounts else Account(0, 0, {})
    turned = sum((one.turned for one in known), Some())
    return tuple(filter(None, [*odd, account.remark(where, "members"), turned_remark(turned, where)]))


def divided(samples: int, heldout: float) -> tuple[int, int]:
    """Numbers of training and of held-out samples, at least one of either."""
    out = min(max(1, round(samples * heldout)), samples - 1)
    return samples - out, out


def _digest(shards: tuple[Shard, ...]) -> str:
    content = hashlib.sha256()
    for shard in shards:
        name = shard.name.encode("utf-8", "surrogateescape")
        content.update(name + f"\0{shard.size}\0{shard.checksum}\n".encode())
    return content.hexdigest()
