"""What planning finds out about a user's own files, once, from their headers: what is used, what is left out and why.

What is seen is counted apart from what is used and left out, so that the sum can be checked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self

from mmcr_core.data.decoding import UPRIGHT, is_read_anew, opened, orientation, reason

NAMED = 3  # examples of a reason
REASONS = 4  # that a sentence has
READ_ANEW = 2  # `dataset.decoding` of files that version 0.1 read otherwise


class Contents(NamedTuple):
    """What a run knows of a user's own files (`digest`, `decoding`), how many images or pairs are of use as far as
    their headers tell, and what a person should know."""

    digest: str
    decoding: int | None
    used: int
    remarks: tuple[str, ...]


class Some(NamedTuple):
    """How many, and the names of a few."""

    number: int = 0
    examples: tuple[str, ...] = ()

    def __add__(self, other: object) -> Some:
        assert isinstance(other, Some)
        return Some(self.number + other.number, (*self.examples, *other.examples)[:NAMED])

    def __str__(self) -> str:
        more = ", ..." if self.number > len(self.examples) else ""
        return f"({', '.join(self.examples)}{more})"


@dataclass(frozen=True)
class Account:
    """`seen` things, of which `used` are used and the others `left_out`: reason -> which."""

    seen: int
    used: int
    left_out: dict[str, Some]

    def __post_init__(self) -> None:
        total = self.used + sum(some.number for some in self.left_out.values())
        assert total == self.seen, f"{self.used} used and {self.left_out} left out are not the {self.seen} seen"

    def __add__(self, other: Self) -> Account:
        reasons = dict.fromkeys([*self.left_out, *other.left_out])
        merged = {one: self.left_out.get(one, Some()) + other.left_out.get(one, Some()) for one in reasons}
        return Account(self.seen + other.seen, self.used + other.used, merged)

    def remark(self, where: str, unit: str) -> str:
        """What is left out, in a sentence; empty where nothing is."""
        if not self.left_out:
            return ""
        most = sorted(self.left_out.items(), key=lambda item: -item[1].number)
        parts = [f"{some.number:,} {reason} {some}" for reason, some in most[:REASONS]]
        rest = sum((some for _, some in most[REASONS:]), Some())
        if rest.number:
            parts.append(f"{rest.number:,} for other reasons {rest}")
        return f"{where}: {self.used:,} of {self.seen:,} {unit} are used; left out: {'; '.join(parts)}"


class Survey:
    """Counts what is used and left out, by the headers of images. `streamed`: as `decode` has it."""

    def __init__(
        self, max_pixels: int | None = None, streamed: bool = False, left_out: dict[str, Some] | None = None
    ) -> None:
        self._max_pixels, self._streamed = max_pixels, streamed
        self._used, self._left_out = 0, dict(left_out or {})
        self.turned = Some()
        self.read_anew = False

    def use(self) -> None:
        """Use something that is no image."""
        self._used += 1

    def leave_out(self, name: str, why: str) -> None:
        self._left_out[why] = self._left_out.get(why, Some()) + Some(1, (name,))

    def image(self, name: str, encoded: bytes | Exception, whole: Callable[[], bytes] | None = None) -> None:
        """Use an image, or leave it out where its header cannot be read. `whole`: gives all its bytes where `encoded`
        may end before its header does."""
        try:
            turned, read_anew = self._looked_at(encoded)
        except MemoryError:
            raise
        except Exception as error:  # decoders raise far more than OSError on damaged bytes
            if whole is None:
                self.leave_out(name, f"unreadable: {reason(error)}")
            else:
                self.image(name, whole())
        else:
            self.use()
            self.read_anew = self.read_anew or read_anew
            self.turned += Some(1, (name,)) if turned else Some()

    def _looked_at(self, encoded: bytes | Exception) -> tuple[bool, bool]:
        if isinstance(encoded, Exception):
            raise encoded
        with opened(encoded, self._max_pixels) as image:
            return orientation(image) != UPRIGHT, is_read_anew(image, self._streamed)

    def account(self, seen: int) -> Account:
        return Account(seen, self._used, self._left_out)

    def contents(self, digest: str, seen: int, where: str, unit: str) -> Contents:
        """What was found in all of `seen` files or rows."""
        remarks = self.account(seen).remark(where, unit), turned_remark(self.turned, where)
        return Contents(digest, READ_ANEW if self.read_anew else None, self._used, tuple(filter(None, remarks)))


def turned_remark(turned: Some, where: str) -> str:
    """That images are turned; empty where none is."""
    said = f"{turned.number:,} images are turned as their EXIF orientation says {turned}"
    return f"{where}: {said}" if turned.number else ""
