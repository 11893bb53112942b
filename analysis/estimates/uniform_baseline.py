"""The percent error of uniform embeddings in a cell, as far as its network and its data can have them."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.fitting.forecast.blas_threads import on_one_thread
from mmcr_core.theory import expected_percent_error, simulate_uniform

IMAGES = {"digits": 1437}  # of rows that do not say: sets so small that it matters
SIMULATED_ROWS = 2048  # of all draws of a baseline together


@dataclass(frozen=True)
class Level:
    """e_inf(P, D), of M whose rank is bounded by `rank` and whose batches are drawn from so many `images` (infinite:
    not bounded, or not known)."""

    rank: float = np.inf
    images: float = np.inf

    def __call__(self, P: ArrayLike, D: ArrayLike) -> NDArray[np.float64]:
        """The baseline; where P exceeds the images, as if they were P."""
        return np.asarray(expected_percent_error(P, D, N=np.maximum(self.images, P), rank=self.rank), float)

    def simulate(self, P: int, D: int) -> float:
        """The same of batches of finite size and of the same N and rank: the mean of many draws, always the same."""
        return _simulated(self, P, D)


@functools.cache
@on_one_thread
def _simulated(level: Level, P: int, D: int) -> float:
    rng, within = np.random.default_rng(0), int(min(D, level.rank))
    draws = int(np.clip(SIMULATED_ROWS // min(P, within), 2, 64))
    errors = [simulate_uniform(P, within, rng, max(level.images, P)) for _ in range(draws)]
    return float(1 - np.sqrt(min(P, within) / min(P, D)) * (1 - np.mean(errors)))


ENDLESS = Level()


def level_of(runs: pd.DataFrame) -> Level:
    """The uniform baseline of some rows of `runs`; the least bounds where they differ."""
    known = runs.reindex(columns=["rank_bound", "dataset_images", "spec"])
    bounds = pd.DataFrame({"rank": known["rank_bound"].astype(float), "images": dataset_images(known)})
    return Level(**bounds.min().fillna(np.inf))


def dataset_images(runs: pd.DataFrame) -> pd.Series:
    """How many images each run's batches are drawn from; NaN where neither its row nor its spec says."""
    written = runs["dataset_images"].astype(float)
    datasets = [json.loads(spec).get("dataset", {}) if isinstance(spec, str) else {} for spec in runs["spec"]]
    said = [data.get("limit") or IMAGES.get(str(data.get("name")), np.nan) for data in datasets]
    return written.fillna(pd.Series(said, index=runs.index, dtype=float))


def level_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds of finished runs of each cell and size of the data set: P, D, K, images, percent_error, deficit
    (1 - uniformity), level; empty where all runs have one size, or none is known."""
    known = runs.assign(images=dataset_images(runs), deficit=1 - runs["uniformity"])
    known = known[np.isfinite(known["images"])]
    if known["images"].nunique() < 2:
        return pd.DataFrame()
    table = known.groupby(["P", "D", "K", "images"])[["percent_error", "deficit", "rank_bound"]].mean().reset_index()
    level = [float(Level(_finite(row.rank_bound), row.images)(row.P, row.D)) for row in table.itertuples()]
    return table.assign(level=level).drop(columns="rank_bound")


def _finite(rank: float) -> float:
    return rank if np.isfinite(rank) else np.inf
