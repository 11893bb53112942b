"""Mistakes in grid files: what each says, and where."""

import re

import pytest

from sweeps.config.grid_file import GridError, load_grid
from tests.sweeps.config.base_grid import BASE, load

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
    "name: base|name: ../base": "3: name: '../base' must have letters, digits",
    "name: base|name: .hidden": "3: name: '.hidden' must have letters, digits",
    "name: base|name: a b": "3: name: 'a b' must have letters, digits",
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


def test_recomputing_is_refused_where_an_encoder_has_nothing_to_recompute(write_grid):
    resnet = load_grid(write_grid(encoder="{name: resnet18, stem: small, width: 8}", memory="recompute"))
    assert resnet.cells == load_grid(write_grid(encoder="{name: resnet18, stem: small, width: 8}")).cells
    with pytest.raises(
        GridError, match=r"grid.yaml:9: memory: recompute is for residual blocks and transformer layers"
    ):
        load_grid(write_grid(memory="recompute"))
