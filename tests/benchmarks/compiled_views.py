"""Making the views of a batch, compiled against eager, and the host's share: drawing what is random.

ResNet-18's STL-10 views, 64 pixels from 96, P = 64, K = 2; every order of the jitters in turn.
"""

from __future__ import annotations

import os
import tempfile
import time

from mmcr_core.data.image_loader import Source
from tests.benchmarks.measure import DEVICE, report, seconds_in_turn, stl10_cell, stl10_images


def main() -> None:
    with tempfile.TemporaryDirectory() as empty:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = empty  # what earlier runs compiled would be taken from torch's own
        compare()


def compare() -> None:
    spec, images = stl10_cell(64, 64, 2), stl10_images(512).to(DEVICE)
    began = time.perf_counter()
    sources = {"eager": Source(spec, images), "compiled": Source(spec, images)}
    sources["compiled"].prepare_step(0)
    sources["compiled"].compile()
    compilation = time.perf_counter() - began
    step = iter(range(10**6))

    def draw():
        return sources["eager"].prepare_step(next(step))

    def make(name):
        source = sources[name]
        return lambda: source.batch(source.prepare_step(next(step)))

    taken = seconds_in_turn({"draw": draw, **{name: make(name) for name in sources}}, seconds=8)
    rows = [{"what": name, "ms": 1e3 * seconds} for name, seconds in taken.items()]
    rows.append({"what": "compiling once, s", "ms": None, "s": compilation})
    rows.append({"what": "ratio eager / compiled", "ratio": taken["eager"] / taken["compiled"]})
    report("compiled_views", "Views of 128, with their random choices", rows)


if __name__ == "__main__":
    main()
