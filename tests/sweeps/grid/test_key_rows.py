"""The keys told of are those that the grid reader takes, each with a meaning and the default that a run gets."""

import numpy as np
import pytest
from PIL import Image

from mmcr_core.defaults import VIEW_RECIPES
from mmcr_core.objectives import OBJECTIVES
from mmcr_core.spec import ENCODERS, OPTIMIZER_OPTIONS
from sweeps.grid.grid_file import GridError, load_grid
from sweeps.grid.key_rows import key_rows

ROWS = key_rows()
BASE = {"name": "base", "dataset": "digits", "P": 2, "D": 4, "K": 2, "budget": "{steps: 5}"}
PAIRS = {"dataset": "glyphs", "encoder": "towers"}


def load(tmp_path, keys):
    """The grid with these top-level keys, each a text of YAML."""
    path = tmp_path / "grid.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in keys.items()))
    return load_grid(path)


def inside(part, name=""):
    """Last part of a key -> row, of the keys that stand in `part` and apply where it is called `name`."""
    rows = [row for row in ROWS if row.key.rpartition(".")[0] == part]
    return {row.key.rpartition(".")[2]: row for row in rows if not row.of or name in row.of}


def defaults(rows, name=""):
    """Key -> its default where the part, or the data set, is called `name`, of keys that have one."""
    found = {}
    for key, row in rows.items():
        named = [one.value for one in row.defaults if name in one.of]
        told = named or [one.value for one in row.defaults if not one.of]
        if told and told[0] not in ("", "none"):
            found[key] = told[0]
    return found


def mapping(keys):
    return "{" + ", ".join(f"{key}: {value}" for key, value in keys.items()) + "}"


def test_every_key_has_a_meaning():
    assert [row.key for row in ROWS if not row.meaning.endswith(".")] == []


@pytest.mark.parametrize(
    ("part", "name", "given"),
    [
        ("", "", {}),
        ("dataset", "digits", {}),
        ("encoder", "convnet", {}),
        ("projector", "", {}),
        ("budget", "", {}),
        ("optimizer", "adam", {}),
        ("views", "", {"size": 8, "mean": "[0.3]", "std": "[0.4]"}),
        ("evaluate", "", {}),
        ("evaluate.zero_shot", "", {"dataset": "digits"}),
        ("checkpoint", "", {}),
        ("resources", "", {}),
        *(("objective", name, {}) for name in OBJECTIVES),
    ],
)
def test_the_keys_told_of_are_those_that_the_reader_knows(part, name, given, tmp_path):
    value = ({"name": name} if name else {}) | given | {"qqqqqqqq": 1}
    above, _, last = part.rpartition(".")
    written = {above: mapping({last: mapping(value)})} if above else {part: mapping(value)}
    with pytest.raises(GridError, match="known keys: ") as raised:
        load(tmp_path, BASE | (written if part else {"qqqqqqqq": 1}))
    known = set(str(raised.value).partition("known keys: ")[2].split(", "))
    told = {key for key in inside(part, name) if key != "recipe"}
    of_others = {row.key.rpartition(".")[2] for row in ROWS if part in ("dataset", "encoder", "optimizer")
                 and row.key.startswith(f"{part}.")}  # fmt: skip
    assert told | of_others == known


@pytest.mark.parametrize("name", ["digits", "cifar10", "cifar100", "stl10", "glyphs", "folder"])
def test_a_grid_that_writes_every_default_is_the_minimal_grid(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"name": name}
    if name == "folder":
        given["path"] = "images"
        (tmp_path / "images" / "a").mkdir(parents=True)
        for number in range(8):
            Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(tmp_path / "images" / "a" / f"{number}.png")
    minimal = BASE | {"dataset": mapping(given)}
    whole = mapping(given | defaults(inside("dataset", name), name))
    expected, found = load(tmp_path, minimal), load(tmp_path, defaults(inside(""), name) | minimal | {"dataset": whole})
    assert found.cells == expected.cells
    assert found.settings == expected.settings


@pytest.mark.parametrize(
    ("part", "names", "base"),
    [
        ("objective", [name for name in OBJECTIVES if name not in ("clip", "siglip")], {}),
        ("objective", ["clip", "siglip"], PAIRS),
        ("encoder", [name for name in ENCODERS if name not in ("timm", "towers")], {}),
        ("encoder", ["towers"], PAIRS),
        ("optimizer", list(OPTIMIZER_OPTIONS), {}),
    ],
)
def test_a_part_that_writes_every_default_is_the_one_with_a_name_alone(part, names, base, tmp_path):
    for name in names:
        named = BASE | base | {part: mapping({"name": name})}
        whole = named | {part: mapping(defaults(inside(part, name), name) | {"name": name})}
        assert load(tmp_path, whole).cells == load(tmp_path, named).cells, name


@pytest.mark.parametrize(
    ("part", "given"),
    [("projector", {}), ("evaluate", {}), ("checkpoint", {}), ("resources", {}), ("budget", {"steps": 5})],
)
def test_a_part_without_a_name_that_writes_every_default_is_the_one_without_any(part, given, tmp_path):
    least, whole = load(tmp_path, BASE | {part: mapping(given)}), mapping(defaults(inside(part)) | given)
    found = load(tmp_path, BASE | {part: whole})
    assert (found.cells, found.settings) == (least.cells, least.settings)


@pytest.mark.parametrize("recipe", [*VIEW_RECIPES, "no recipe"])
def test_views_that_write_every_default_are_the_recipe(recipe, tmp_path):
    given = {"size": 32} if recipe == "no recipe" else {"recipe": recipe}
    base = BASE | {"dataset": "digits" if recipe in ("digits", "glyphs") else "cifar10"}
    whole = mapping(defaults(inside("views"), recipe) | given)
    assert load(tmp_path, base | {"views": whole}).cells == load(tmp_path, base | {"views": mapping(given)}).cells


def test_what_is_no_part_of_a_run_is_said_to_be_none():
    told = {row.key for row in ROWS if not row.identity and not row.key.startswith("evaluate.")}
    assert told >= {"name", "retries", "evaluate", "checkpoint.keep", "dataset.root", "dataset.path"}
    assert not told & {"dataset", "dataset.limit", "objective", "seed", "optimizer.warmup", "precision"}
