"""How this folder came to be: run once, at version 0.1 (its commit stands in the runs' rows), from an empty folder:
`PYTHONPATH=REPOSITORY python REPOSITORY/tests/stores/v0.1/write.py`. It does not run at any other version.

`small/` is the sweep of its grid.yaml: all cells of seed 0 have finished, the first with its weights; of seed 1 the
first was interrupted in its second chunk, and claimed by a process on a machine that does not exist; the second is
claimed by another. `expected/` holds the whole trajectory of the interrupted run, the embeddings of 16 fixed images by
the weights, and the processor.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch

from mmcr_core.identity import run_id
from sweeps.networks import load_network
from sweeps.running.resumable_trial import Trial
from sweeps.running.sweep import open_sweep, record_launch
from sweeps.running.trial_settings import TrialSettings
from sweeps.storage.sweep_store import Store
from tests.conftest import invoke

HERE = Path(__file__).parent
INTERRUPTED_AT = 740


def train(spec, store, **settings) -> None:
    trial = Trial(spec, store, "small", TrialSettings(threads=1, **settings))
    while trial.advance(60).status == "running":
        pass


def claim(store: Store, spec, machine: str) -> None:
    owner = {"launch": "0123456789abcdef", "machine": machine, "pid": 4321, "started": 1764200000.0}
    path = store.root / "claims" / f"{run_id(spec)}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(owner))


def images() -> np.ndarray:
    return np.random.Generator(np.random.Philox(0)).integers(0, 256, (16, 1, 8, 8), dtype=np.uint8)


def processor() -> dict[str, str]:
    lines = (line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines())
    known = {key.strip(): value.strip() for key, value in lines}
    vectors = {"vectors": torch.backends.cpu.get_cpu_capability()}
    return {key: known[key] for key in ("model name", "cpu family", "model", "stepping")} | vectors


def main() -> None:
    torch.set_num_threads(1)
    sweep = open_sweep(HERE / "small/grid.yaml", ".")
    record_launch(sweep)
    cells = sweep.grid_cells
    first, second = (cell for cell in cells if cell.seed == 1 and cell.P == 8 and cell.D < 32)
    finished = [cell for cell in cells if cell.seed == 0]
    train(finished[0], sweep.store, keep="weights")
    for cell in finished[1:]:
        train(cell, sweep.store, keep="none")

    whole = Store(Path("whole"))
    train(first, whole, keep="none")
    trial = Trial(first, sweep.store, "small", TrialSettings(threads=1, keep="none"))
    for _ in range(INTERRUPTED_AT):
        trial.advance(1e-9)
    assert trial.stop() is None and sweep.store.checkpointed_step(run_id(first)) == INTERRUPTED_AT
    claim(sweep.store, first, "node1 pid:[4026531836]")
    claim(sweep.store, second, "node2 pid:[4026531836]")

    for command in ("plot_scaling", "plot_double_descent", "plot_grid_law"):
        ran = invoke(command, sweep.store.root)
        assert ran.returncode == 0, ran.stderr
    shutil.rmtree(sweep.store.root / "figures")

    expected = Path("expected")
    expected.mkdir()
    (trajectory,) = (whole.root / "trajectories" / run_id(first)).iterdir()
    shutil.copy(trajectory, expected / "trajectory.parquet")
    embeddings = load_network(sweep.store.root, run_id(finished[0]))(torch.from_numpy(images())).detach().numpy()
    np.save(expected / "embeddings.npy", embeddings)
    facts = {"interrupted": run_id(first), "being_trained": run_id(second), "with_weights": run_id(finished[0])}
    facts |= {"interrupted_at": INTERRUPTED_AT, "processor": processor()}
    (expected / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
