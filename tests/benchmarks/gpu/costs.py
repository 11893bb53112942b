"""What a cell will take, from what was measured so far: the clock is looked at before each."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

FIRST_OVERHEAD_SECONDS = 8.0  # of a cell whose shape is new to the process: plans of cuDNN, captures, evaluation
MARGIN = 1.15


@dataclass
class Costs:
    """Images per second and seconds beside the steps, by (P, K)."""

    rates: dict[tuple[int, int], float] = field(default_factory=dict)
    overheads: dict[tuple[int, int], float] = field(default_factory=dict)

    def learn(self, P: int, K: int, images: int, trained_seconds: float, all_seconds: float) -> None:
        """A cell has ended; what it took replaces what was known of its shape."""
        if trained_seconds > 0:
            self.rates[P, K] = images / trained_seconds
        self.overheads[P, K] = max(0.0, all_seconds - trained_seconds)

    def seconds(self, P: int, K: int, images: int) -> float:
        """Of the next cell, with a margin; 0 where nothing is known."""
        if not self.rates:
            return 0.0
        known = nearest(self.rates, P, K)
        rate = self.rates[known] * known[1] / K
        return MARGIN * (images / rate + self._overhead(P, K))

    def _overhead(self, P: int, K: int) -> float:
        """Of its shape, else the largest of any."""
        return self.overheads.get((P, K), max(self.overheads.values(), default=FIRST_OVERHEAD_SECONDS))


def nearest(shapes: Iterable[tuple[int, int]], P: int, K: int) -> tuple[int, int]:
    """The (P, K) that is most like another: in K, then in P."""
    return min(shapes, key=lambda shape: (abs(math.log2(shape[1] / K)), abs(math.log2(shape[0] / P))))


def in_order(cells: list[tuple[int, int, int]]) -> list[int]:
    """Indices of (P, D, K) cells in the order in which they are trained, so that whatever is reached shows the peak:
    by K; the smallest K whole, of the others each second P and D before the rest; P = D first, then its neighbors."""
    smallest = min(K for _, _, K in cells)
    coarse = {axis: sorted({cell[axis] for cell in cells})[::2] for axis in (0, 1)}

    def place(index: int) -> tuple[bool, int, float, int]:
        P, D, K = cells[index]
        late = smallest != K and not (P in coarse[0] and D in coarse[1])
        return late, K, abs(math.log2(P / D)), P

    return sorted(range(len(cells)), key=place)
