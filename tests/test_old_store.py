"""A store that version 0.1 wrote is read, resumed and analyzed by every later one (tests/stores/v0.1/write.py)."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from analysis import open_results
from sweeps.execution.encoder_loading import load_encoder
from tests.conftest import REPOSITORY, invoke
from tests.recorded_machine import differences

STORES = REPOSITORY / "tests/stores/v0.1"
EXPECTED = STORES / "expected"
FACTS = json.loads((EXPECTED / "facts.json").read_text())
INTERRUPTED, BEING_TRAINED, WITH_WEIGHTS = FACTS["interrupted"], FACTS["being_trained"], FACTS["with_weights"]
STEPS = 1100
P_VALUE = "p_value"  # the column of peaks.parquet that version 0.1 called chance


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A copy. The owner of one claim has died, on another machine; that of the other goes on touching its file."""
    copy = tmp_path / "results/small"
    shutil.copytree(STORES / "small", copy)
    an_hour = time.time() + 3600
    os.utime(copy / f"claims/{INTERRUPTED}.json", (0, 0))
    os.utime(copy / f"claims/{BEING_TRAINED}.json", (an_hour, an_hour))
    return copy


def launch_cell(store: Path, run_id: str):
    """Train one cell as a task of a job array does."""
    number = pd.read_parquet(store / "cells.parquet")["run_id"].tolist().index(run_id)
    return invoke("sweeps.launch", store / "grid.yaml", "--results", store.parent, "--cell", number)


def trajectory(store: Path, run_id: str) -> pd.DataFrame:
    chunks = sorted((store / "trajectories" / run_id).glob("*.parquet"))
    return pd.concat([pd.read_parquet(chunk) for chunk in chunks], ignore_index=True)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_interrupted_run_ends_as_it_would_have_without_the_interruption(store):
    """Bit for bit on the processor and libraries that it was begun with. Elsewhere what was stored stays as it was, in
    the chunk and in the checkpoint, and the first step thereafter differs by rounding alone."""
    began = datetime.now(UTC)
    ran = launch_cell(store, INTERRUPTED)
    assert ran.returncode == 0, ran.stderr
    row = pd.read_parquet(store / f"runs/{INTERRUPTED}.parquet").iloc[0]
    assert (row["status"], row["steps"]) == ("finished", STEPS)
    assert row["started_at"] < began  # it went on, it was not begun anew
    found, expected = trajectory(store, INTERRUPTED), pd.read_parquet(EXPECTED / "trajectory.parquet")
    found = found[expected.columns]
    assert found["step"].tolist() == list(range(STEPS))
    same = not differences(pd.read_parquet(store / f"runs/{WITH_WEIGHTS}.parquet").iloc[0], FACTS["processor"])
    exact, next_step = (STEPS, STEPS) if same else (FACTS["interrupted_at"], FACTS["interrupted_at"] + 1)
    pd.testing.assert_frame_equal(found[:exact], expected[:exact], check_exact=True)
    pd.testing.assert_frame_equal(found[exact:next_step], expected[exact:next_step], rtol=1e-4)
    assert not (store / f"checkpoints/{INTERRUPTED}").exists()
    assert not (store / f"claims/{INTERRUPTED}.json").exists()


def test_a_cell_with_a_living_owner_is_left_to_it(store):
    before = contents(store)
    ran = launch_cell(store, BEING_TRAINED)
    assert ran.returncode == 1
    assert "left to the launch that trains it, process 4321 on node2" in " ".join((ran.stdout + ran.stderr).split())
    assert contents(store) == before


def test_a_finished_cell_is_not_trained_again(store):
    before = contents(store)
    ran = launch_cell(store, WITH_WEIGHTS)
    assert ran.returncode == 0, ran.stderr
    assert contents(store) == before


def test_status_and_check_understand_it(store):
    shown = invoke("sweeps.status", store, "--json")
    cells = {cell["run_id"]: cell for cell in json.loads(shown.stdout)}
    assert Counter(cell["status"] for cell in cells.values()) == {"finished": 9, "running": 1, "begun": 1, "waiting": 7}
    assert (cells[INTERRUPTED]["step"], cells[INTERRUPTED]["steps"]) == (FACTS["interrupted_at"], STEPS)
    checked = invoke("sweeps.store", "check", store)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_kept_weights_embed_images_as_they_did(store):
    """To 1e-4 of unit embeddings, whatever order a processor sums in."""
    images = np.random.Generator(np.random.Philox(0)).integers(0, 256, (16, 1, 8, 8), dtype=np.uint8)
    network = load_encoder(store, WITH_WEIGHTS)
    with torch.no_grad():
        embeddings = network(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(embeddings, np.load(EXPECTED / "embeddings.npy"), atol=1e-4)


def test_analysis_reads_all_its_tables(store):
    results = open_results(store)
    assert len(results.runs()) == 9
    assert len(results.trajectories()) == 9 * STEPS + 500
    assert {"effective_rank", "heldout_percent_error"} <= set(results.measures()["name"])
    peaks = results.peaks()
    assert len(peaks) == 6 and (peaks["largest_at"] == 0).all()
    assert (peaks.loc[peaks["found"], P_VALUE] < 0.001).tolist() == [True, True]
    assert len(results.fits()) == 54 and results.fits()["alpha"].notna().any()
    assert "chance" not in peaks and peaks.columns[-1] == "sweep"
    assert results.sql(f"SELECT count({P_VALUE}) AS n FROM peaks WHERE found")["n"][0] == 2
    for name in ("joint_law", "grid_law", "Grid_Law"):  # the name of version 0.1 is understood
        assert results.sql(f"SELECT count(*) AS n FROM {name}")["n"][0] == 38
    assert "grid_law" not in set(results.columns()["table"]) and not (store / "joint_law.parquet").exists()


def test_analysis_computes_them_as_they_were(store):
    """Peaks from trajectories that have not changed are the peaks that version 0.1 found."""
    before = open_results(store).peaks()
    assert invoke("plot_double_descent", store).returncode == 0
    after = open_results(store).peaks()
    numbers = ["at", "largest_at", "location", "height", "prominence"]
    pd.testing.assert_frame_equal(after[numbers], before[numbers], rtol=1e-6)


def test_it_is_migrated_without_losing_anything_and_once(store):
    images = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    before, rows = load_encoder(store, WITH_WEIGHTS).encode(images), open_results(store).runs()
    ran = invoke("sweeps.store", "migrate", store)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[0] == "1 network written as safetensors, 1 lapsed claim removed"
    assert f"1 run left as before ({BEING_TRAINED}): a launch trains them" in ran.stdout
    assert not (store / f"weights/{WITH_WEIGHTS}.pt").exists()
    assert [file.stem for file in (store / "claims").iterdir()] == [BEING_TRAINED]
    assert torch.equal(load_encoder(store, WITH_WEIGHTS).encode(images), before)
    pd.testing.assert_frame_equal(open_results(store).runs(), rows)
    assert invoke("sweeps.store", "check", store).returncode == 0
    again = contents(store)
    assert (
        "0 networks written as safetensors, 0 lapsed claims removed" in invoke("sweeps.store", "migrate", store).stdout
    )
    assert contents(store) == again


def test_a_migration_that_was_killed_before_it_removed_the_older_file_goes_on(store):
    file = store / f"weights/{WITH_WEIGHTS}.pt"
    before = file.read_bytes()
    assert invoke("sweeps.store", "migrate", store).returncode == 0
    file.write_bytes(before)
    assert "1 network written" in invoke("sweeps.store", "migrate", store).stdout
    assert not file.exists() and load_encoder(store, WITH_WEIGHTS) is not None


def test_damaged_weights_are_left_as_they_are(store):
    file = store / f"weights/{WITH_WEIGHTS}.pt"
    file.write_bytes(file.read_bytes()[:1000])
    ran = invoke("sweeps.store", "migrate", store)
    assert ran.returncode == 0 and "2 runs left as before" in ran.stdout and file.stat().st_size == 1000
