"""Runs and exponents that differ at P = D in a known way."""

import numpy as np
import pandas as pd

SIZES = (32, 64, 128, 256)


def runs(error, seeds=(0, 1, 2), noise=0.002):
    rng = np.random.default_rng(0)
    rows = [
        {"variant": "mmcr", "K": 2, "seed": seed, "P": P, "D": D, "run_id": f"{P}-{D}-{seed}",
         "percent_error": error(P, D) + noise * rng.standard_normal()}
        for P in SIZES for D in SIZES for seed in seeds
    ]  # fmt: skip
    return pd.DataFrame(rows)


def exponents(alpha, seeds=(0, 1, 2), noise=0.002):
    rng = np.random.default_rng(0)
    rows = [
        {"variant": "mmcr", "K": 2, "seed": seed, "P": P, "D": D, "irreducible": irreducible, "offset": "none",
         "chi_square": 1.0, "alpha": alpha(P, D, irreducible) + noise * rng.standard_normal()}
        for P in SIZES for D in SIZES for seed in seeds for irreducible in ("none", "theory")
    ]  # fmt: skip
    return pd.DataFrame(rows)
