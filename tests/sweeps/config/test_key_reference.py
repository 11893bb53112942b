"""The reference of keys: which key applies to what, and what follows from the data set."""

import json

import numpy as np
import pytest
from PIL import Image

from sweeps.config.grid_file import load_grid
from sweeps.config.key_reference import defaults_by_dataset, key_rows

ROWS = {(row.key, row.of): row for row in key_rows()}


def test_a_key_of_several_kinds_is_one_row_where_it_is_the_same():
    assert {of for key, of in ROWS if key == "objective.temperature"} == {"clip", "siglip", "simclr", "swav"}
    assert {of for key, of in ROWS if key == "encoder.width"} == {"resnet18, resnet34, resnet50"}
    assert {of for key, of in ROWS if key == "optimizer.momentum"} == {"sgd, lars"}
    assert {of for key, of in ROWS if key == "optimizer.schedule"} == {""}


@pytest.mark.parametrize(
    ("key", "of", "values", "default"),
    [
        ("P", "", "integer", "required"),
        ("encoder", "", "name or mapping", "by data set"),
        ("views", "", "recipe or mapping", "by data set"),
        ("views.recipe", "", "`cifar10`, `clip`, `digits`, `glyphs`, `stl10`", "none"),
        ("views.crop_scale", "", "[number, number]", "`[0.08, 1.0]`"),
        ("optimizer.name", "", "`adam`, `adamw`, `sgd`, `lars`", "`adam`"),
        ("dataset.path", "folder, parquet, shards", "text", "required"),
        ("dataset.limit", "", "integer", "`null`"),
        ("projector.hidden", "", "list of integers", "`[2048]`"),
        ("retries", "", "integer from 0 to 100", "`0`"),
        ("resources.gpus", "", "`auto` or number", "`auto`"),
        ("evaluate.zero_shot.dataset", "", "name or mapping", "required"),
    ],
)
def test_rows_say_values_and_defaults(key, of, values, default):
    assert ROWS[key, of][2:4] == (values, default)


@pytest.mark.parametrize(
    "row", [row for row in defaults_by_dataset() if row[0] not in ("`shards`", "`parquet, pairs`")]
)
def test_a_grid_that_writes_what_follows_from_the_data_set_is_the_one_that_does_not(row, tmp_path):
    name, encoder, projector, views = (cell.strip("`") for cell in row)
    given = {"name": name}
    if name in ("folder", "parquet"):
        given = {"name": "folder", "path": str(tmp_path / "images")}
        (tmp_path / "images" / "a").mkdir(parents=True)
        for number in range(8):
            Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(tmp_path / "images" / "a" / f"{number}.png")
    least = f"name: base\ndataset: {json.dumps(given)}\nP: 2\nD: 4\nK: 2\nbudget: {{steps: 3}}\n"
    whole = f"{least}encoder: {encoder}\nprojector: {projector}\nviews: {views}\n"
    grids = []
    for text in (least, whole):
        (tmp_path / "grid.yaml").write_text(text)
        grids.append(load_grid(tmp_path / "grid.yaml").cells)
    assert grids[0] == grids[1]
