"""The commands that train a sweep's runs again: the code of each commit, and which cells it trained."""

from __future__ import annotations

from collections import defaultdict

import pandas as pd

Sizes = tuple[int, ...]


def commands(runs: pd.DataFrame, name: str) -> list[str]:
    """Shell lines for the finished runs of a sweep called `name`, commit by commit; its grid file is `NAME.yaml`."""
    lines = []
    for commit, part in runs.groupby("git_commit", sort=False):
        lines += [f"git checkout {commit}", "make install"]
        lines += [f".venv/bin/python sweeps/launch.py {name}.yaml --only '{cells}'" for cells in selections(part)]
    return [*lines, f".venv/bin/python analysis/report.py results/{name}"]


def selections(runs: pd.DataFrame) -> list[str]:
    """As few values of `launch.py --only` as name these runs and no others of their P, D, K and seeds."""
    seeds: dict[tuple[int, int, int], set[int]] = defaultdict(set)
    for P, D, K, seed in runs[["P", "D", "K", "seed"]].itertuples(index=False):
        seeds[K, P, D].add(seed)
    rows: dict[tuple[int, Sizes, int], set[int]] = defaultdict(set)  # D of each K, seeds and P
    for (K, P, D), found in seeds.items():
        rows[K, tuple(sorted(found)), P].add(D)
    blocks: dict[tuple[int, Sizes, Sizes], set[int]] = defaultdict(set)  # P of each K, seeds and D
    for (K, found_seeds, P), dims in rows.items():
        blocks[K, found_seeds, tuple(sorted(dims))].add(P)
    several = runs["seed"].nunique() > 1
    return [
        f"K={K},P={_any(sorted(points))},D={_any(dims)}" + (f",seed={_any(found)}" if several else "")
        for (K, found, dims), points in sorted(blocks.items())
    ]


def _any(values: list[int] | Sizes) -> str:
    return "|".join(map(str, values))
