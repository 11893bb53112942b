"""Swept settings as columns of `runs`, in SQL and in pandas."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from analysis.results.errors import ResultsError
from analysis.results.results import open_results
from analysis.results.setting_columns import setting_columns
from mmcr_core.config.run import DatasetSpec, OptimizerSpec, ProjectorSpec
from mmcr_core.config.run_id import run_id, spec_to_json
from sweeps.storage.sweep_store import Store
from tests.synthetic import spec, write_run

RATE = "optimizer.learning_rate"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two learning rates, two widths of the projector, a limit or none; a third rate is planned and has not ended."""
    found = Store(tmp_path_factory.mktemp("swept") / "swept")
    runs = [
        dataclasses.replace(
            spec(64, 128, 2, seed, learning_rate=rate, steps=20),
            projector=ProjectorSpec(hidden),
            dataset=DatasetSpec("stl10", limit=limit),
        )
        for seed, rate, hidden, limit in ((0, 1e-3, (64,), None), (1, 1e-3, (64, 32), None), (0, 3e-3, (64,), 1000))
    ]
    for run in runs:
        write_run(found, run, np.full(20, 0.3), spec=spec_to_json(run))
    planned = [*runs, dataclasses.replace(runs[0], optimizer=OptimizerSpec(name="sgd"))]
    numbers = [{name: getattr(run, name) for name in ("P", "D", "K", "seed")} for run in planned]
    found.write_cells(
        [
            n | {"run_id": run_id(run), "steps": 20, "spec": spec_to_json(run)}
            for n, run in zip(numbers, planned, strict=True)
        ]
    )
    return found


def test_each_swept_setting_is_a_typed_column_in_sql_and_pandas(store):
    results = open_results(store.root)
    query = f'SELECT "{RATE}", "dataset.limit", "projector.hidden", "optimizer.name" FROM runs ORDER BY 1, 3'
    answer = results.sql(query)
    assert answer[RATE].tolist() == [1e-3, 1e-3, 3e-3] and answer[RATE].dtype == float
    assert answer["dataset.limit"].tolist()[2] == 1000 and answer["dataset.limit"].isna().tolist() == [
        True,
        True,
        False,
    ]
    assert [list(one) for one in answer["projector.hidden"]] == [[64], [64, 32], [64]]
    assert set(answer["optimizer.name"]) == {"adam"}  # swept by the grid, and so far by no run that ended
    runs = results.runs()
    assert runs[RATE].tolist() and list(runs.columns)[-1] == "variant"
    assert "precision" in runs and "encoder.name" not in runs and "seed" in runs
    assert results.sql(f'SELECT max("{RATE}") AS most FROM runs')["most"].tolist() == [3e-3]
    kinds = results.columns().set_index(["table", "column"])["type"]
    assert kinds["runs", RATE] == "DOUBLE" and kinds["runs", "dataset.limit"] == "BIGINT"


def test_a_setting_that_does_not_vary_is_refused_with_those_there_are(store):
    with pytest.raises(ResultsError, match=f'optimizer.momentum is not swept here and no column; .*"{RATE}"'):
        open_results(store.root).sql('SELECT "optimizer.momentum" FROM runs')


def test_settings_join_with_other_tables_and_are_one_column_over_several_sweeps(store, tmp_path):
    other = Store(tmp_path / "other")
    write_run(other, run := spec(64, 128, 2, learning_rate=0.5, steps=20), np.full(20, 0.3), spec=spec_to_json(run))
    results = open_results(store.root, other.root)
    joined = f'SELECT "{RATE}", count(*) AS n FROM runs JOIN trajectories USING (sweep, run_id) GROUP BY ALL ORDER BY 1'
    assert results.sql(joined).to_numpy().tolist() == [[1e-3, 40], [3e-3, 20], [0.5, 20]]


def specs(*parts):
    return [json.dumps({"objective": {"name": "mmcr"}} | part) for part in parts]


def test_values_of_several_kinds_are_json_and_options_of_other_parts_null():
    simclr = [{"objective": {"name": "simclr", "temperature": t}} for t in (1, 0.5)]
    table = setting_columns(specs({}, *simclr), [], ["objective"])
    assert table.to_pydict() == {"objective.temperature": [None, 1.0, 0.5]}
    nets = [{"encoder": {"name": "m:net", "options": {"width": width}}} for width in (4, "wide", True)]
    table = setting_columns(specs(*nets), [], ["encoder"])
    assert table.to_pydict() == {"encoder.width": ["4", '"wide"', "true"]}
    assert table.schema.types == [pa.string()]


def test_what_older_specs_leave_out_and_what_is_no_part_of_a_run_is_no_setting():
    older, newer = {"dataset": {"name": "a", "root": "/a"}}, {"dataset": {"name": "a", "root": "/b", "pairs": False}}
    assert setting_columns(specs(older, newer | {"evaluate": {"probe": "knn"}}), [], []).num_columns == 0
    assert isinstance(setting_columns(specs(older), [], []).to_pandas(), pd.DataFrame)


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        (f"SELECT {RATE} FROM runs", f'in place of {RATE} write "{RATE}"$'),
        (f"SELECT r.P, r.{RATE.upper()} FROM runs r", f'in place of r.{RATE.upper()} write "{RATE}"$'),
        ("SELECT P FROM runs WHERE dataset.limit > 5", 'in place of dataset.limit write "dataset.limit"$'),
        ("SELECT optimizer.lr FROM runs", f'in place of optimizer.lr write "{RATE}" or "optimizer.name"$'),
    ],
)
def test_a_column_with_a_dot_that_lacks_its_quotes_is_named(store, query, meant):
    with pytest.raises(ResultsError, match=f"column names with a dot need double quotes; {meant}"):
        open_results(store.root).sql(query)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            "SELECT budget.steps FROM runs",
            'those of settings are .*P, D, K, .*"dataset.limit", "optimizer.learning_rate"',
        ),
        (
            'SELECT r."budget.steps" FROM runs r',
            r"budget.steps is not swept here and no column; .*spec->>'\$.budget.steps'$",
        ),
        ("SELECT objective.name, count(*) FROM runs GROUP BY 1", "objective.name is the column objective$"),
    ],
)
def test_a_setting_that_is_no_column_is_told_from_one_that_there_is_not(store, query, said):
    with pytest.raises(ResultsError, match=said):
        open_results(store.root).sql(query)


def test_other_mistakes_keep_the_words_of_the_database(store):
    with pytest.raises(ResultsError, match='"nothing"'):
        open_results(store.root).sql("SELECT r.P, nothing FROM runs r")
