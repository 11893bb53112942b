"""Each thing that a sweep is analyzed to is computed once: in a process, and over processes while its content stays."""

import json
import shutil
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from analysis.estimates import joint_scaling_law, peak, peak_effects, per_cell_fit, prediction
from analysis.estimates.per_cell_fit import PURE, chosen_form, fit_table
from analysis.results import analysis_cache
from analysis.results.analysis_cache import content_digest
from analysis.results.results import open_results
from analysis.sweep_analysis import SweepAnalysis
from sweeps.storage.packing.compaction import compact_run
from sweeps.storage.sweep_store import Store
from tests.conftest import invoke
from tests.synthetic import law, spec, write_run, write_sweep

COMMANDS = (
    ["plot_double_descent"], ["plot_scaling"], ["plot_grid_law"], ["report"], ["claims"],
    ["recommend", "--flops", "1e12"],
)  # fmt: skip
FITTED = ("fits", "cell_fits", "fits_by_seed", "peaks", "joint_law", "joint_laws", "forecasts", "backtests")


@pytest.fixture
def store(small, tmp_path):
    return shutil.copytree(small, tmp_path / "small")


def count_fits(monkeypatch):
    """How often each fit, and each peak, is computed from now on: by the data and the options of the call."""
    made = Counter()

    def counted(place, name):
        whole = getattr(place, name)

        def call(*arguments, **options):
            made[name, repr([_plain(each) for each in (*arguments, *sorted(options.items()))])] += 1
            return whole(*arguments, **options)

        monkeypatch.setattr(place, name, call)

    for place, name in ((per_cell_fit, "fit_power_law"), (prediction, "fit_process"), (joint_scaling_law, "fit_joint")):
        counted(place, name)
    assert peak_effects.find_peak is peak.find_peak  # for peaks of single seeds, which are no part of a table
    counted(peak, "find_peak")
    return made


@pytest.fixture
def fits_made(monkeypatch):
    return count_fits(monkeypatch)


@pytest.fixture(scope="module")
def by_all_commands(small, tmp_path_factory):
    """A copy for which all commands computed what they need, one after another, and how often each fit was made."""
    root = shutil.copytree(small, tmp_path_factory.mktemp("fitted") / "small")
    with pytest.MonkeyPatch.context() as monkeypatch:
        made = count_fits(monkeypatch)
        for command, *options in COMMANDS:
            ran = invoke(command, root, *options)
            assert ran.returncode == 0, ran.stderr
    return root, made


@pytest.fixture(scope="module")
def fitted(by_all_commands):
    return by_all_commands[0]


def _plain(value):
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return [_plain(each) for each in value.items()]
    return np.asarray(value).tolist()


def test_each_fit_and_each_peak_is_computed_once_by_all_commands_together(by_all_commands):
    _, made = by_all_commands
    fits = [key for key in made if key[0] == "fit_power_law"]
    assert len(fits) >= 9 * (2 * 6 + 1)  # six forms, each with and without the last points; each run by itself
    assert len([key for key in made if key[0] == "find_peak"]) == 6
    assert set(made.values()) == {1}


def test_a_later_process_reads_what_was_computed_and_fits_nothing(fitted, fits_made):
    analysis = SweepAnalysis(open_results(fitted))
    assert len(analysis.fits) == 9 * 6 and len(analysis.peaks) == 6 and not analysis.joint_law.empty
    assert analysis.cell_fits() and len(analysis.fits_by_seed)
    assert analysis.predictors_of("percent_error") and analysis.backtests
    assert not fits_made


def test_what_is_read_is_what_is_computed_to_the_last_bit(fitted, store):
    """One process computes all of it; of the other copy each command has computed a part, and read the rest."""
    analysis = SweepAnalysis(open_results(store))
    assert analysis.predictors_of("percent_error") and analysis.backtests and analysis.cell_fits()
    assert not any(table.empty for table in (analysis.fits_by_seed, analysis.peaks, analysis.joint_law))
    for name in FITTED:
        one, other = (pq.read_table(root / f"{name}.parquet").to_pydict() for root in (store, fitted))
        assert repr(one) == repr(other), name  # NaN is what it is


def test_the_fits_are_those_of_the_cells(fitted):
    analysis = SweepAnalysis(open_results(fitted))
    table, fits = fit_table(analysis.cells, "flops")
    pd.testing.assert_frame_equal(analysis.fits, table)
    read = analysis.cell_fits()
    assert {key[-2:] for key in read} == {PURE, chosen_form(table)}
    x = np.geomspace(1e9, 1e12, 20)
    for key, fit in read.items():
        assert np.array_equal(fit.band(x), fits[key].band(x)) and fit.failed_checks == fits[key].failed_checks
        assert np.array_equal(fit.predict(x), fits[key].predict(x))


def test_laws_of_a_form_that_is_not_kept_are_fitted_when_they_are_asked_for(fitted):
    form = ("free", "free")
    fits = SweepAnalysis(open_results(fitted)).cell_fits(form)
    assert {key[-2:] for key in fits} == {PURE, form}


def digest(root):
    return content_digest(open_results(root))


def test_the_digest_is_of_content_and_not_of_files(store):
    before, runs = digest(store), list((store / "trajectories").iterdir())
    chunks = len(list(store.rglob("trajectories/*/*.parquet")))
    write_run(Store(store), spec(64, 64, 2, steps=1100), law(64, 64, 2, np.arange(1, 1101) * 1e9))
    grown = digest(store)
    assert grown != before
    for run in (store / "trajectories").iterdir():
        compact_run(Store(store), run.name)
    assert len(list(store.rglob("trajectories/*/*.parquet"))) < chunks + 3 and len(runs) == 9
    for file in store.glob("runs/*.parquet"):
        pq.write_table(pq.read_table(file), file, compression="gzip")
    assert digest(store) == grown


def test_another_measure_status_or_version_is_another_digest(store, monkeypatch):
    row = next(store.glob("runs/*.parquet"))
    found = [digest(store)]
    rows = [dict.fromkeys(("images", "flops", "value", "low", "high"), 1.0) | {"name": "x", "subject": "", "count": 1}]
    Store(store).write_measures(row.stem, 300, rows)
    found.append(digest(store))
    table = pq.read_table(row)
    at = table.schema.get_field_index("status")
    pq.write_table(table.set_column(at, table.schema.field(at), [["diverged"]]), row)
    found.append(digest(store))
    monkeypatch.setattr(analysis_cache, "VERSION", analysis_cache.VERSION + 1)
    found.append(digest(store))
    assert len(set(found)) == 4


def test_a_new_run_is_fitted_and_takes_the_place_of_what_was_kept(store, fits_made):
    assert len(SweepAnalysis(open_results(store)).peaks) == 6
    write_run(Store(store), spec(512, 64, 2, steps=300), law(512, 64, 2, np.arange(1, 301) * 1e9))
    fits_made.clear()
    assert len(SweepAnalysis(open_results(store)).peaks) == 7
    assert len(fits_made) == 7 and len(open_results(store).peaks()) == 7


def test_a_table_without_a_digest_is_computed_anew_to_the_same_numbers(fitted, tmp_path):
    """As version 0.1 wrote them."""
    root = shutil.copytree(fitted, tmp_path / "old")
    for name in FITTED:
        table = pq.read_table(root / f"{name}.parquet")
        if name in ("fits", "peaks", "joint_law"):
            table.to_pandas().to_parquet(root / f"{name}.parquet", index=False)
        else:
            (root / f"{name}.parquet").unlink()
    old = open_results(root).fits()
    analysis = SweepAnalysis(open_results(root))
    pd.testing.assert_frame_equal(analysis.fits, old.drop(columns="sweep"))
    mark = json.loads(pq.read_schema(root / "fits.parquet").metadata[b"analysis"])
    assert mark["digest"] == digest(root)


def test_a_damaged_kept_file_is_computed_anew(fitted, tmp_path):
    root = shutil.copytree(fitted, tmp_path / "damaged")
    kept = pq.read_table(root / "peaks.parquet")
    (root / "peaks.parquet").write_bytes(b"PAR1 half")
    assert len(SweepAnalysis(open_results(root)).peaks) == 6
    assert pq.read_table(root / "peaks.parquet").equals(kept)


def test_a_store_that_cannot_be_written_to_is_analyzed_in_memory(store, tmp_path, monkeypatch):
    def refused(path, content):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(analysis_cache, "write_atomically", refused)
    before = sorted(store.rglob("*"))
    ran = invoke("plot_scaling", store, "-o", tmp_path / "figures")
    assert ran.returncode == 0 and (tmp_path / "figures/scaling.png").exists()
    assert len(pd.read_parquet(tmp_path / "figures/fits.parquet")) == 9 * 6
    assert ran.stderr.count(f"note: {store} cannot be written to") == 1
    assert sorted(store.rglob("*")) == before


def test_nothing_is_kept_of_a_store_with_damaged_chunks(store, capsys):
    next(store.glob("trajectories/*/*.parquet")).write_bytes(b"PAR1 half")
    assert len(SweepAnalysis(open_results(store)).fits) == 8 * 6
    assert "is damaged and left out" in capsys.readouterr().err
    assert not (store / "fits.parquet").exists()


def test_fits_over_another_axis_stay_until_others_are_asked_for(tmp_path):
    store = write_sweep(tmp_path / "one", (64,), (2,), steps=300).root
    assert invoke("plot_scaling", store, "--axis", "steps").returncode == 0
    assert set(SweepAnalysis(open_results(store)).fits["axis"]) == {"flops"}
    assert set(open_results(store).fits()["axis"]) == {"steps"}
    assert invoke("plot_scaling", store).returncode == 0
    assert set(open_results(store).fits()["axis"]) == {"flops"}


def test_why_there_is_no_joint_law_is_known_and_kept(tmp_path, fits_made):
    root = write_sweep(tmp_path / "one", (64,), (2,), steps=300).root
    for _ in range(2):
        analysis = SweepAnalysis(open_results(root))
        assert analysis.joint_laws == {} and "no joint scaling law" in analysis.no_joint_law
        fits_made.clear()
    assert not fits_made
