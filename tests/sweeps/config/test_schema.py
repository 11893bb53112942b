"""The schema for editors takes what the grid reader takes, and refuses keys, names and types that are wrong."""

import json
import re

import jsonschema
import pytest

from mmcr_core.config.defaults import VIEW_RECIPES
from sweeps.config.grid_file import GridError, load_grid
from sweeps.config.schema import NO_PART, grid_schema
from sweeps.config.yaml_lines import YamlError, parse
from tests.conftest import REPOSITORY

SCHEMA = grid_schema()
GRID = jsonschema.Draft7Validator(SCHEMA)
BASE = {"name": "base", "dataset": "digits", "P": 2, "D": 4, "K": 2, "budget": {"steps": 5}}
PAIRS = {"dataset": "glyphs", "encoder": "towers"}
SHIPPED = sorted((REPOSITORY / "sweeps/grids").glob("*.yaml"))
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
BLOCKS = [
    (page.name, block) for page in PAGES for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
]


def refused(grid):
    return [error.message for error in GRID.iter_errors(grid)]


def load(tmp_path, keys):
    (tmp_path / "grid.yaml").write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in keys.items()))
    return load_grid(tmp_path / "grid.yaml")


def branches(schema):
    """The mappings among what a part may be, one for each kind."""
    found = [one for one in schema.get("anyOf", [schema]) if "properties" in one]
    return [one for one in found if one["properties"].get("name", {}).get("type") != "array"]


def defaults(branch):
    keys = branch["properties"].items()
    return {key: schema["default"] for key, schema in keys if "default" in schema and key != "name"}


def test_the_schema_is_one():
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_grids_name_the_schema_and_validate(path):
    told = re.match(r"# yaml-language-server: \$schema=(.+)\n", path.read_text())
    assert json.loads((path.parent / told[1]).read_text()) == SCHEMA
    assert refused(parse(path.read_text()).plain()) == []


@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_grids_of_the_docs_validate(page, block):
    try:
        shown = [parse(block).plain()]
    except YamlError:  # lines to choose from, which repeat a key
        shown = [parse(line).plain() for line in re.split(r"\n(?=\S)", block)]
        shown = [{"dataset": {"name": "shards"} | one} if "path" in one else one for one in shown]
    assert [error for one in shown for error in refused(BASE | one)] == []


LINES = [
    "P: [16, 32]",
    "objective: [mmcr, {name: simclr, temperature: [0.1, 0.5]}, my_module:MyObjective]",
    "objective: {name: my_module:MyObjective, strength: [1, 2]}",
    "dataset: [digits, {name: digits, limit: [256, null]}, {name: stl10, split: [train, train+unlabeled]}]",
    "dataset: {name: [digits, cifar10], limit: 128}",
    "encoder: [{stem: small}, {name: [resnet18, resnet50], width: 16}, {name: timm, model: resnet10t, drop_rate: 0}]",
    "projector: {hidden: [[32], [32, 16], []]}",
    "views: [digits, {recipe: [digits, stl10], crop_scale: [[0.2, 1], [0.4, 1]]}, {size: 8, mean: [0.3], std: [0.4]}]",
    "optimizer: [{name: [adam, sgd]}, {learning_rate: [1e-3, 1], warmup: [10, 0.1]}, {name: lars, momentum: 0.8}]",
    "evaluate: {measures: [knn], at: [0, 1], zero_shot: {dataset: {name: glyphs}, templates: imagenet}}",
    "resources: {gpus: auto, cpus: 2}",
    "compile: on",
    "track: [wandb, mlflow, tensorboard, my_module:MyTracker]",
    "linked: [{P: [16, 32], optimizer.learning_rate: [1e-3, 2e-3]}, {seed: [0, 1], projector.hidden: [[32], [64]]}]",
    "exclude: ['P=1024,K=8', 'D>P']",
    "exclude: D>P",
]


@pytest.mark.parametrize("line", LINES)
def test_axes_and_short_forms_validate(line):
    assert refused(BASE | parse(line).plain()) == []


MISTAKES = [
    "P: '16'",
    "P: 16.5",
    "P: []",
    "name: a b",
    "nane: base",
    "track: [wanbd]",
    "linked: 1",
    "linked: [{D: [8, 16]}]",
    "linked: [{seed: 1, D: [8, 16]}]",
    "linked: {seed: [1, 2], optimizer.learning_rate: [1, 2]}",
    "exclude: {P: 2}",
    "exclude: [2]",
    "budget: {}",
    "budget: {steps: 5, epochs: 1}",
    "budget: {stepz: 5}",
    "dataset: mnist",
    "dataset: {limit: 5}",
    "dataset: {name: folder}",
    "dataset: {name: digits, size: 8}",
    "dataset: {name: stl10, split: all}",
    "dataset: {name: digits, captions: 1}",
    "encoder: resnet19",
    "encoder: {name: convnet, stem: small}",
    "encoder: {name: timm}",
    "encoder: {name: towers, architecture: {a: b}}",
    "objective: mcr",
    "objective: {name: mmcr, temperature: 0.1}",
    "objective: {temperature: 0.1}",
    "optimizer: adam",
    "optimizer: {name: lamb}",
    "optimizer: {momentum: 0.9}",
    "optimizer: {name: adam, trust_coefficient: 0.1}",
    "views: none",
    "views: {flip: 0.5}",
    "views: {recipe: digits, crop_scale: [0.2]}",
    "precision: fp16",
    "evaluate: {probe: [knn, linear]}",
    "evaluate: {measures: linear}",
    "evaluate: {measures: [zero_shot], zero_shot: {dataset: glyphs, class: x}}",
    "checkpoint: {keep: some}",
    "resources: {gpus: one}",
    "retries: 101",
]


@pytest.mark.parametrize("line", MISTAKES)
def test_what_the_reader_refuses_for_its_shape_the_schema_refuses(line, tmp_path):
    grid = BASE | parse(line).plain()
    assert refused(grid)
    with pytest.raises(GridError):
        load(tmp_path, grid)


@pytest.mark.parametrize("key", [*SCHEMA["required"], *SCHEMA["else"]["required"]])
def test_what_must_be_given_is_missed(key, tmp_path):
    grid = {one: value for one, value in BASE.items() if one != key}
    assert refused(grid) == [f"'{key}' is a required property"]
    with pytest.raises(GridError, match=f"{key} is missing"):
        load(tmp_path, grid)


NAMED = {
    (part, name): branch
    for part in ("objective", "dataset", "encoder", "optimizer")
    for branch in branches(SCHEMA["$defs"][part])
    for name in branch["properties"]["name"].get("enum", [])
    if name not in ("timm", "folder", "parquet", "shards")  # which need more than a name
}


@pytest.mark.parametrize(("part", "name"), NAMED)
def test_a_part_that_writes_every_default_is_the_one_with_a_name_alone(part, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    base = BASE | (PAIRS if name in ("clip", "siglip", "towers") else {})
    whole = base | {part: {"name": name} | defaults(NAMED[part, name])}
    assert refused(whole) == []
    assert (
        load(tmp_path, whole).cells
        == load(tmp_path, base | {part: name if part != "optimizer" else {"name": name}}).cells
    )


@pytest.mark.parametrize("part", ["projector", "evaluate", "checkpoint", "resources"])
def test_a_part_without_a_name_that_writes_every_default_is_the_one_without_any(part, tmp_path):
    (branch,) = branches(SCHEMA["$defs"][part])
    least, whole = load(tmp_path, BASE | {part: {}}), load(tmp_path, BASE | {part: defaults(branch)})
    assert (whole.cells, whole.settings) == (least.cells, least.settings)


def test_views_that_write_every_default_are_those_without_a_recipe(tmp_path):
    *_, without = branches(SCHEMA["$defs"]["views"])
    base = BASE | {"dataset": "cifar10"}
    whole, least = ({"size": 32} | keys for keys in (defaults(without), {}))
    assert load(tmp_path, base | {"views": whole}).cells == load(tmp_path, base | {"views": least}).cells
    assert SCHEMA["$defs"]["views"]["anyOf"][0] == {"enum": sorted(VIEW_RECIPES)}


@pytest.mark.parametrize("key", ["seed", "precision", "objective", "retries", "compile"])
def test_the_defaults_at_the_top_are_those_of_a_run(key, tmp_path):
    whole, least = load(tmp_path, BASE | {key: SCHEMA["properties"][key]["default"]}), load(tmp_path, BASE)
    assert (whole.cells, whole.settings) == (least.cells, least.settings)


def test_every_key_has_a_meaning_that_says_where_it_makes_no_other_run():
    keys = dict(SCHEMA["properties"])
    for part in SCHEMA["$defs"]:
        for branch in branches(SCHEMA["$defs"][part]):
            keys |= {f"{part}.{key}": schema for key, schema in branch["properties"].items()}
    assert [key for key, schema in keys.items() if not schema["description"].endswith(".")] == []
    outside = {key for key, schema in keys.items() if schema["description"].endswith(NO_PART)}
    assert outside >= {"name", "retries", "evaluate", "checkpoint", "dataset.root", "dataset.path", "encoder.config"}
    assert not outside & {"dataset", "dataset.limit", "objective", "seed", "optimizer.warmup", "precision"}
