"""Grid files: what they expand to, what identifies a run, and what each mistake says."""

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

GRIDS = REPOSITORY / "sweeps" / "grids"


def load(tmp_path, text):
    path = tmp_path / "grid.yaml"
    path.write_text(textwrap.dedent(text))
    return load_grid(path)


def ids(grid):
    return [run_id(cell) for cell in grid.cells]


BASE = """
    name: base
    dataset: digits
    P: 16
    D: 8
    K: 2
    budget: {steps: 5}
"""


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
    says = "3: dataset: .*a.parquet: none of its first 20 images can be used; the first is row 0: cannot identify image"
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


MISTAKES = {
    f"name: base|name: {'x' * 201}": "3: name: '.*' has 201 characters; 200 are the most",
    "P: 16|P: 2048": "5: P: 2048 exceeds the 1437 training images of dataset 'digits' .*; use P <= 1437",
    "P: 16|P: []": "5: P: the list is empty; give at least one value",
    "P: 16|P: [16, 16]": "5: P: 16 stands twice in the list; keep one",
    "P: 16|P: '16'": "5: P: '16' is wrong; it should be a whole number",
    "P: 16|P: 16.5": "5: P: 16.5 is wrong; it should be a whole number",
    "P: 16|P: true": "5: P: true is wrong; it should be a whole number",
    "P: 16|P: 1": "5: P: 1 must be 2 or more",
    "K: 2|K: 0": "7: K: 0 must be 1 or more",
    "K: 2|k: 2": "7: k: unknown key; did you mean 'K'",
    "K: 2|": "K is missing; add it",
    "dataset: digits|": "dataset is missing; name one of cifar10",
    "dataset: digits|dataset: mnist": "4: dataset.name: 'mnist' is wrong; it should be 'digits', 'cifar10'",
    "dataset: digits|dataset: {name: digits, pth: x}": "4: dataset.pth: unknown key; did you mean 'path'",
    "dataset: digits|dataset: {name: digits, size: 8}": "4: dataset.size: 8 applies to folder, parquet and shards",
    "dataset: digits|dataset: {name: stl10, split: all}": "4: dataset.split: .* use one of train, unlabeled, train",
    "dataset: digits|dataset: {name: parquet}": "4: dataset.path: is missing",
    "dataset: digits|dataset: {name: folder, path: /no}": "4: dataset: folder /no does not exist",
    "{steps: 5}|{steps: 5, epochs: 1}": "8: budget.steps: 5 stands beside epochs; give exactly one of",
    "{steps: 5}|{}": "8: budget: give exactly one of epochs, steps, images; none is given",
    "{steps: 5}|{steps: 0}": "8: budget.steps: 0 must be more than 0",
    "{steps: 5}|{epochs: 1.0e+300}": "8: budget.epochs: 1e.300 must be more than 0 and no more than 1e.15",
    "P: 16|P:": "5: P: null is wrong; it should be a whole number",
    "P: 16|? [a, b]\n    : 1": "5: key \\['a', 'b'\\] is not text; quote it",
    "K: 2|K: 2\n    views: {recipe: digits, crop_scale: [0.2]}": "8: views.crop_scale: .* too few values; value 2",
    "K: 2|K: 2\n    views: {recipe: digits, crop_scale: [0.2, 0.5, 1]}": "8: views.crop_scale: .* at most 2 values",
    "K: 2|K: 2\n    evaluate: {at: [0, 0]}": "8: evaluate.at: .* names a fraction twice; keep one",
    "K: 2|K: 2\n    evaluate: {probe: knn, labels_per_class: 9999}": "8: evaluate.labels_per_class: 9999 exceeds the",
    "{steps: 5}|{images: 3}": "8: budget: is less than one step of P = 16 images",
    "{steps: 5}|5": "8: budget: 5 is wrong; it should be a mapping",
    "name: base|name: ../base": "3: name: '../base' use letters, digits",
    "name: base|name: .hidden": "3: name: '.hidden' use letters, digits",
    "name: base|name: a b": "3: name: 'a b' use letters, digits",
    "name: base|nane: base": "3: nane: unknown key; did you mean 'name'",
    "name: base|name: base\n    name: base": "4: key 'name' stands twice; keep one",
    "name: base|name: [base": "is not valid YAML",
    "K: 2|K: 2\n    views: none": "8: views: 'none' is not a recipe; use one of cifar10, clip, digits, glyphs, stl10",
    "K: 2|K: 2\n    views: stl10": "8: views: has mean and std for 3 channels; dataset 'digits' has 1",
    "K: 2|K: 2\n    views: {recipe: digits, flip: 2}": "8: views.flip: 2 is a probability",
    "K: 2|K: 2\n    views: {flip: 0.5}": "8: views: key 'size' is missing",
    "K: 2|K: 2\n    precision: fp16": "8: precision: 'fp16' is wrong; it should be 'fp32' or 'bf16'",
    "K: 2|K: 2\n    optimizer: {learning_rate: -1}": "8: optimizer.learning_rate: -1 must be 0 or more",
    "K: 2|K: 2\n    optimizer: {learning_rate: .inf}": "8: optimizer.learning_rate: inf is wrong; .* finite",
    "K: 2|K: 2\n    optimizer:\n        warmup: -3": "9: optimizer.warmup: -3 must be 0 or more steps",
    "K: 2|K: 2\n    optimizer: {warmup: 1.0}": "8: optimizer.warmup: 1.0 must be a fraction of all steps in",
    "K: 2|K: 2\n    optimizer: {warmup: 9}": "8: optimizer.warmup: 9 steps are not less than the 5 steps of a run",
    "dataset: digits|dataset: {name: digits, limit: 1}": "4: dataset.limit: 1 must be 2 or more",
    "dataset: digits|dataset: {name: digits, limit: 5000}": "4: dataset.limit: 5000 exceeds the 1437 training images",
    "dataset: digits|dataset: {name: digits, limit: 9}": "5: P: 16 exceeds the 9 .* that dataset.limit keeps",
    "K: 2|K: 2\n    objective: mcr": "8: objective: 'mcr' is not an objective; use one of alignment, .*, mmcr",
    "K: 2|K: 1\n    objective: simclr": "7: K: 1 must be 2 or more: 'simclr' compares views of an image",
    "K: 2|K: 2\n    objective: {name: simclr, temperature: 0}": "8: objective.temperature: 0 must be more than 0",
    "K: 2|K: 2\n    objective: {local_weight: 0.1}": "8: objective: .* give a name such as mmcr",
    "K: 2|K: 2\n    objective:\n        name: mmcr\n        temperature: 0.1": "10: objective.temperature: unknown key",
    "K: 2|K: 2\n    objective: {name: mmcr, local_weight: -1.0}": "8: objective.local_weight: -1.0 must be 0 or more",
    "K: 2|K: 2\n    compile: yes please": "8: compile: 'yes please' is wrong; it should be 'auto', 'on', 'off'",
    "K: 2|K: 2\n    checkpoint: {keep: some}": "8: checkpoint.keep: 'some' is wrong; it should be 'none', 'w",
    "K: 2|K: 2\n    optimizer: {learning_rate: [1e-3, 0.001]}": "8: optimizer.learning_rate: 0.001 stands twice",
    "K: 2|K: 2\n    evaluate: {probe: [knn, linear]}": "evaluate.probe: takes one value: what is measured is no part",
    "K: 2|K: 2\n    evaluate: [{probe: knn}, {probe: linear}]": "8: evaluate: takes one value: what is measured",
    "K: 2|K: 2\n    objective: {name: swav, queue: 40, queue_start: 0.9}": "objective.queue: 40 is never full",
    "K: 2|K: 2\n    objective: [mmcr, {name: mmcr}]": "two cells are the same run",
    "K: 2|K: 2\n    encoder: {name: convnet, stem: small}": "8: encoder.stem: 'small' applies to resnet18",
    "K: 2|K: 2\n    resources: {gpus: 1.5}": "8: resources.gpus: 1.5 must be auto, 0, a fraction such",
    "K: 2|K: 2\n    resources: {gpus: 2}": "8: resources.gpus: 2 must be .* or 1: a run uses one GPU",
    "K: 2|K: 2\n    resources: {gpus: -1}": "8: resources.gpus: -1 must be auto, 0",
    "K: 2|K: 2\n    resources: {cpus: 0}": "8: resources.cpus: 0 must be auto or more than 0",
    "K: 2|K: 2\n    checkpoint: {every_seconds: -1}": "8: checkpoint.every_seconds: -1 is wrong; .* greater than 0",
    "K: 2|K: 2\n    1: 2": "8: key 1 is not text",
    "K: 2|K: 2\n    evaluate: {measures: [knn, fid]}": "8: evaluate.measures.1: 'fid' is wrong; it should be 'knn', ",
    "K: 2|K: 2\n    evaluate: {measures: linear}": "8: evaluate.measures: 'linear' is wrong; it should be a list",
    "K: 2|K: 2\n    evaluate: {measures: [knn, knn]}": "8: evaluate.measures: .* names a measure twice; keep one",
    "K: 2|K: 2\n    evaluate: {at: [0, 1.5]}": "8: evaluate.at: .* must be fractions of the run in ",
    "K: 2|K: 2\n    evaluate: {at: []}": "8: evaluate.at: .* must name a fraction of the run, such as 1 for its end",
    "K: 2|K: 2\n    evaluate: {labels_per_class: 0}": "8: evaluate.labels_per_class: 0 must be 1 or more",
    "K: 2|K: 2\n    evaluate: {labels_per_class: 5, probe: none}": "8: evaluate.labels_per_class: 5 needs a probe",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_names_file_line_key_and_remedy(mistake, tmp_path):
    old, new = mistake.split("|")
    assert old in BASE
    with pytest.raises(GridError) as raised:
        load(tmp_path, "\n" + BASE.replace(old, new))
    message = str(raised.value)
    assert "\n" not in message
    assert message.startswith(f"{tmp_path / 'grid.yaml'}:")
    import re

    assert re.search(MISTAKES[mistake], message), message


@pytest.mark.parametrize("text", ["", "- a list", "just text", "a: &x [*x]"])
def test_files_that_are_no_grid_are_refused(text, tmp_path):
    with pytest.raises(GridError):
        load(tmp_path, text)


def test_a_grid_of_more_cells_than_can_be_planned_is_refused_at_once(write_grid):
    values = str(list(range(2, 1002)))
    with pytest.raises(GridError, match=r"grid.yaml:1: the grid has 1,000,000 cells; 100,000 at most: use fewer"):
        load_grid(write_grid(seed=values, P=values))


def test_absent_and_binary_files_are_refused(tmp_path):
    with pytest.raises(GridError, match="No such file"):
        load_grid(tmp_path / "no.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(GridError, match="not UTF-8"):
        load_grid(tmp_path / "binary.yaml")


def test_yaml_cannot_make_objects(tmp_path):
    with pytest.raises(GridError):
        load(tmp_path, BASE.replace("name: base", "name: !!python/object/apply:os.system ['true']"))


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


def test_recomputing_is_refused_where_an_encoder_has_nothing_to_recompute(write_grid):
    resnet = load_grid(write_grid(encoder="{name: resnet18, stem: small, width: 8}", memory="recompute"))
    assert resnet.cells == load_grid(write_grid(encoder="{name: resnet18, stem: small, width: 8}")).cells
    with pytest.raises(
        GridError, match=r"grid.yaml:9: memory: recompute is for residual blocks and transformer layers"
    ):
        load_grid(write_grid(memory="recompute"))
