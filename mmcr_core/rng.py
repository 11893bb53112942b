"""Every random number of a run, drawn on the host and without state.

numpy's counter-based Philox is keyed by (seed of the run, stream) and counted by step or epoch, so what step 1,000
sees follows from its number alone: nothing to checkpoint, the same batches and views on a CPU and on a GPU, and no
generator inside a captured graph. Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

from __future__ import annotations

import numpy as np

# A new one goes last: its place is part of the key.
STREAMS = (
    "order",
    "views",
    "heldout",
    "subset",
    "labels",
    "measures",
    "objective",
    "capacity",
    "captions",
    "shards",
)


def generator(seed: int, stream: str, counter: int = 0) -> np.random.Generator:
    """The generator of one step or epoch of a stream of STREAMS.

    Args: seed: of the run, 0 or more; counter: step, epoch or batch, from 0.
    """
    key = np.array([seed, STREAMS.index(stream)], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, counter]))
