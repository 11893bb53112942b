"""Grid files: what they expand to, and what identifies a run."""

import dataclasses
import io
import json
import math
import textwrap
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmcr_core.config.defaults import VIEW_RECIPES
from mmcr_core.config.run import EvaluateSpec, RunSpec
from mmcr_core.config.run_id import canonical_json, identity, run_id, spec_to_json
from sweeps.config.grid_file import GridError, load_grid
from sweeps.config.spec_serialization import spec_from_json
from tests.conftest import REPOSITORY
from tests.mmcr_core.data.custom_data import encoded
from tests.sweeps.config.base_grid import BASE, load

GRIDS = REPOSITORY / "sweeps" / "grids"


def ids(grid):
    return [run_id(cell) for cell in grid.cells]


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("quickstart", 15),
        ("paper-stl10", 75),
        ("cifar10", 75),
        ("objectives-digits", 27),
        ("objectives-peaks-digits", 81),
        ("objectives-cifar10", 27),
        ("objectives-stl10", 216),
    ],
)
def test_shipped_grids_validate_without_data(name, cells, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    grid = load_grid(GRIDS / f"{name}.yaml")
    assert len(grid.cells) == len(set(ids(grid))) == cells
    assert grid.settings.name == name


def test_the_papers_grid_is_the_papers():
    grid = load_grid(GRIDS / "paper-stl10.yaml")
    sizes = (64, 128, 256, 512, 1024)
    assert {(c.P, c.D, c.K) for c in grid.cells} == {(P, D, K) for P in sizes for D in sizes for K in (2, 4, 8)}
    assert {c.views for c in grid.cells} == {VIEW_RECIPES["stl10"]}
    assert {c.encoder.stem for c in grid.cells} == {"imagenet"}


def test_every_list_is_an_axis_and_a_tuple_is_one_value(tmp_path):
    grid = load(
        tmp_path,
        BASE.replace("P: 16", "P: [16, 32]")
        + """
    seed: [0, 1]
    optimizer: {learning_rate: [1e-3, 3e-3], schedule: cosine}
    projector: {hidden: [[32], [32, 16]]}
    views: [digits, {recipe: digits, crop_scale: [0.2, 1.0]}]
    """,
    )
    assert len(grid.cells) == 2**5
    assert {c.projector.hidden for c in grid.cells} == {(32,), (32, 16)}
    assert {c.optimizer.learning_rate for c in grid.cells} == {1e-3, 3e-3}
    assert {c.optimizer.schedule for c in grid.cells} == {"cosine"}
    assert {c.views.crop_scale for c in grid.cells} == {(0.4, 1.0), (0.2, 1.0)}


def test_spelling_does_not_change_an_id(tmp_path):
    spelled = load(
        tmp_path,
        """
        # the same run, said otherwise
        budget:
            steps: 5
        K: 2
        D: 0x8
        objective: {name: mmcr}
        optimizer: {weight_decay: 0.000001, learning_rate: 0.001, name: adam}
        dataset: {name: digits, root: /elsewhere}
        P: [016]
        views: {recipe: digits}
        name: other
        checkpoint: {every_seconds: 5, keep: all}
        compile: on
        evaluate: {probe: linear}
        resources: {gpus: 0, cpus: 2}
        """,
    )
    assert ids(spelled) == ids(load(tmp_path, BASE))
    scientific = load(tmp_path, BASE + "\n    optimizer: {learning_rate: 1e-3, weight_decay: 1E-6}")
    assert ids(scientific) == ids(spelled)


def test_ids_are_the_stated_hash(tmp_path):
    import hashlib

    (cell,) = load(tmp_path, BASE).cells
    text = json.dumps(identity(cell), sort_keys=True, separators=(",", ":"))
    assert run_id(cell) == hashlib.sha256(text.encode()).hexdigest()[:16]
    assert not {"root", "path", "download"} & set(identity(cell)["dataset"])


def leaves(value, path=()):
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from leaves(getattr(value, field.name), (*path, field.name))
    else:
        yield path, value


def replaced(value, path, leaf):
    if not path:
        return leaf
    changed = replaced(getattr(value, path[0]), path[1:], leaf)
    copy = object.__new__(type(value))  # past the checks: only the hash matters here
    for field in dataclasses.fields(value):
        object.__setattr__(copy, field.name, changed if field.name == path[0] else getattr(value, field.name))
    return copy


def test_any_change_of_what_determines_the_result_changes_the_id(tmp_path):
    (cell,) = load(tmp_path, BASE).cells
    for path, value in leaves(cell):
        if path[-1] == "name":  # of a part: its algorithm is known by it
            continue
        other = replaced(cell, path, "something else")
        outside = ("root", "path", "download", "processes", "samples", "config", "label_column")
        no_matter = path[-1] in outside or path[0] == "evaluate"
        assert (run_id(other) == run_id(cell)) == no_matter, (path, value)


@given(st.permutations(BASE.strip().splitlines()))
@settings(max_examples=20)
def test_the_order_of_keys_does_not_change_an_id(tmp_path_factory, lines):
    folder = tmp_path_factory.mktemp("grid")
    assert ids(load(folder, "\n".join(line.strip() for line in lines))) == ids(load(folder, BASE))


def parquet(path, seed=0, size=(12, 12)):
    pq.write_table(pa.table({"image": [encoded(size, "L", seed=seed)] * 20}), path)
    return f"dataset: {{name: parquet, path: {path}}}"


def test_own_data_is_identified_by_content(tmp_path):
    def id_of(line):
        return ids(load(tmp_path, BASE.replace("dataset: digits", line)))

    first = id_of(parquet(tmp_path / "a.parquet"))
    assert id_of(parquet(tmp_path / "b.parquet")) == first
    assert id_of(parquet(tmp_path / "a.parquet", seed=1)) != first


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([math.nan] * 20, "3: dataset: file .*'label' is nan in row 0; it must hold whole numbers"),
        ([[1]] * 20, "3: dataset: file .*'label' is list.*; it must hold whole numbers, names"),
    ],
)
def test_labels_of_no_use_are_refused_when_the_grid_is_read(labels, says, tmp_path):
    pq.write_table(pa.table({"image": [b"x"] * 20, "label": labels}), tmp_path / "a.parquet")
    with pytest.raises(GridError, match=says):
        load(tmp_path, BASE.replace("dataset: digits", f"dataset: {{name: parquet, path: {tmp_path}/a.parquet}}"))


def test_images_are_of_three_channels_whatever_they_were(tmp_path):
    line = parquet(tmp_path / "a.parquet")
    with pytest.raises(GridError, match="views: has mean and std for 1 channels; dataset 'parquet' has 3"):
        load(tmp_path, BASE.replace("dataset: digits", f"{line}\n    views: digits"))


def test_data_of_which_the_first_images_cannot_be_used_is_refused_with_what_was_seen(tmp_path):
    pq.write_table(pa.table({"image": [b"no picture"] * 20}), tmp_path / "a.parquet")
    says = r"3: dataset: .*a.parquet holds too few images: .*left out: 20 .*: cannot identify image file \(row 0"
    with pytest.raises(GridError, match=says):
        load(tmp_path, BASE.replace("dataset: digits", f"dataset: {{name: parquet, path: {tmp_path}/a.parquet}}"))


def test_images_that_are_read_otherwise_than_before_give_a_run_another_id_and_are_stored_so(tmp_path):
    line = parquet(tmp_path / "a.parquet", size=(9, 80))
    (cell,) = load(tmp_path, BASE.replace("dataset: digits", line)).cells
    assert cell.dataset.decoding == 2
    assert run_id(cell) != run_id(dataclasses.replace(cell, dataset=dataclasses.replace(cell.dataset, decoding=None)))
    assert spec_from_json(spec_to_json(cell)) == cell


def test_measures_and_fractions_are_one_value_and_no_axis(tmp_path):
    asked = "evaluate: {measures: [linear, mutual_information], at: [0, 0.1, 1], labels_per_class: 5}"
    (cell,) = load(tmp_path, BASE + f"\n    {asked}").cells
    assert cell.evaluate == EvaluateSpec(20, "knn", ("linear", "mutual_information"), (0.0, 0.1, 1.0), 5)
    assert run_id(cell) == run_id(load(tmp_path, BASE).cells[0])


def test_a_spec_that_was_stored_before_a_field_of_evaluate_existed_is_read(tmp_path):
    (cell,) = load(tmp_path, BASE).cells
    fields = dataclasses.asdict(cell)
    fields["evaluate"] = {"heldout_batches": 20, "probe": "knn"}
    assert spec_from_json(json.dumps(fields)) == cell
    written = canonical_json(dataclasses.asdict(cell))
    assert spec_from_json(written) == cell


def test_every_default_is_in_the_spec(tmp_path):
    (cell,) = load(tmp_path, BASE).cells
    assert cell.encoder.name == "convnet"
    assert cell.views == VIEW_RECIPES["digits"]
    assert cell.optimizer.learning_rate == 1e-3
    assert cell.evaluate.probe == "knn"
    assert isinstance(cell, RunSpec)
    assert Path(cell.dataset.root).is_absolute()


def test_a_probe_may_have_more_labels_than_the_images_that_a_limit_leaves_to_train_on(write_grid):
    evaluate = "{heldout_batches: 0, probe: knn, labels_per_class: 100}"
    (cell,) = load_grid(write_grid(dataset="{name: digits, limit: 64}", evaluate=evaluate)).cells
    assert cell.evaluate.labels_per_class == 100 > cell.dataset.limit


PROBE_IMAGES = {
    "all cells, so that they can be compared": ("[{name: cifar10, limit: 2000}, cifar10]", "{}", {5000}),
    "nothing is limited": ("cifar10", "{}", {None}),
    "all are asked for": ("{name: cifar10, limit: 2000}", "{probe_images: null}", {None}),
    "fewer are asked for": ("{name: cifar10, limit: 2000}", "{probe_images: 50}", {50}),
    "there are no more": ("{name: digits, limit: 64}", "{}", {None}),
    "labels of a class are counted": ("{name: cifar10, limit: 2000}", "{labels_per_class: 900}", {None}),
    "there is no probe": ("{name: cifar10, limit: 2000}", "{probe: none}", {None}),
}


@pytest.mark.parametrize("why", PROBE_IMAGES)
def test_a_limit_bounds_what_probes_learn_from_and_changes_no_run(why, write_grid):
    dataset, evaluate, expected = PROBE_IMAGES[why]
    grid = load_grid(write_grid(dataset=dataset, evaluate=evaluate))
    assert {cell.evaluate.probe_images for cell in grid.cells} == expected
    assert ids(grid) == ids(load_grid(write_grid(dataset=dataset, evaluate="{probe: none}")))


def test_keys_that_begin_with_x_are_for_anchors_and_a_rate_of_0_is_a_control(tmp_path):
    text = BASE.replace(
        "K: 2",
        "K: 2\n    x-optimizer: &o {name: sgd, learning_rate: 0.1}\n    optimizer: [*o, {<<: *o, learning_rate: 0}]",
    )
    assert [cell.optimizer.learning_rate for cell in load(tmp_path, text).cells] == [0.1, 0]


def test_a_grid_may_come_from_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(textwrap.dedent(BASE)))
    assert [cell.P for cell in load_grid("-").cells] == [16]
    monkeypatch.setattr("sys.stdin", io.StringIO(textwrap.dedent(BASE).replace("P: 16", "P: x")))
    with pytest.raises(GridError, match=r"^-:4: P: 'x' is wrong"):
        load_grid("-")
