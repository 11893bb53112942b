"""What a grid says of image-text pairs: shorthands, identity, and each mistake with its line."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmcr_core.config.run_id import run_id
from mmcr_core.models.dual_encoder import TINY
from sweeps.config.grid_file import GridError, load_grid
from tests.mmcr_core.data.custom_data import encoded

BASE = """name: pairs
dataset: glyphs
P: 16
D: 8
K: 2
budget: {steps: 5}
"""


@pytest.fixture
def load(tmp_path):
    def made(text):
        (tmp_path / "grid.yaml").write_text(text)
        return load_grid(tmp_path / "grid.yaml").cells

    return made


def test_pairs_are_trained_by_towers_without_a_projector_unless_said_otherwise(load):
    (cell,) = load(BASE)
    assert (cell.encoder.name, cell.encoder.config, cell.projector.hidden) == ("towers", "tiny", ())
    assert (cell.dataset.captions, cell.image_views, cell.views.size) == (1, 1, 32)
    assert json.loads(cell.encoder.architecture)["text_cfg"] == TINY["text_cfg"]


def test_a_configuration_is_known_by_what_it_says_and_not_by_its_name(load, tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps(TINY))
    other = TINY | {"vision_cfg": TINY["vision_cfg"] | {"layers": 1}}
    (tmp_path / "other.json").write_text(json.dumps(other))
    tiny, mine, changed = (
        run_id(load(BASE + f"encoder: {{name: towers, config: {config}}}")[0])
        for config in ("tiny", tmp_path / "mine.json", tmp_path / "other.json")
    )
    assert tiny == mine != changed


def test_configurations_and_objectives_are_axes(load):
    cells = load(BASE + "objective: [mmcr, clip, {name: mmcr, clip_weight: 0.1}]\n")
    assert len({run_id(cell) for cell in cells}) == 3
    assert [cell.objective.name for cell in cells] == ["mmcr", "clip", "mmcr"]


def test_zero_shot_looks_at_another_set_with_files_beside_the_grid(load, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words").write_text("\n".join(map(str, range(10))))
    (cell,) = load(BASE + "evaluate: {measures: [zero_shot], zero_shot: {dataset: digits, classes: words}}")
    assert cell.evaluate.zero_shot.dataset.name == "digits"
    assert cell.evaluate.zero_shot.classes == str(tmp_path / "words")


def parquet(path, **columns):
    pq.write_table(pa.table({"image": [encoded()] * 20, **columns}), path)


MISTAKES = {
    "encoder: convnet": "7: encoder: must be towers for image-text pairs such as dataset 'glyphs'",
    "encoder: {name: towers, config: ViT-B-33}": "7: encoder.config: 'ViT-B-33' is no configuration of open_clip",
    "encoder: {name: convnet, config: tiny}": "7: encoder.config: 'tiny' applies to towers, not to convnet",
    "encoder: {name: towers, config: RN50}\nprecision: fp64": "8: precision",
    "K: 2->K: 1": "5: K: 1 must be more than dataset.captions = 1: the others are views of the image",
    "dataset: glyphs->dataset: {name: glyphs, captions: 2}": "K: 2 must be more than dataset.captions = 2",
    "dataset: glyphs->dataset: {name: digits, captions: 1}": "2: dataset.captions: 1 applies to image-text pairs",
    "dataset: glyphs->dataset: {name: digits, pairs: true}": "2: dataset.pairs: true applies to parquet",
    "dataset: glyphs->dataset: digits\nobjective: clip": "3: objective: 'clip' needs image-text pairs",
    "dataset: glyphs->dataset: digits\nobjective: {name: mmcr, clip_weight: 1.0}": "objective: 'mmcr' needs image-text",
    "dataset: glyphs->dataset: digits\nencoder: towers": "3: encoder: towers needs image-text pairs",
    "dataset: glyphs->dataset: digits\nevaluate: {measures: [retrieval]}": "evaluate.measures: .* needs image-text",
    "dataset: glyphs->dataset: {name: parquet, pairs: true, path: FILE}": "it needs 'caption'",
    "evaluate: {zero_shot: {dataset: digits, classes: x}}": "evaluate.zero_shot: is looked at by the measure zero_shot",
    "evaluate: {measures: [zero_shot], zero_shot: {dataset: digits}}": "evaluate.zero_shot.classes.* is missing",
    "evaluate: {measures: [zero_shot], zero_shot: {dataset: cifar10, classes: imagenet}}": "'cifar10' has 3 channels",
    "evaluate: {measures: [zero_shot], zero_shot: {dataset: digits, classes: /none}}": "file /none cannot be read",
    "views: stl10": "7: views: has mean and std for 3 channels; dataset 'glyphs' has 1",
    "evaluate: {measures: [zero_shot], zero_shot: {dataset: digits, classes: WORDS}}": "names 2 classes.*has 10 labels",
    "views: {size: 30, mean: [0.1], std: [0.2]}": "encoder.config.*patches of 8 pixels, which don't divide views of 30",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_names_line_key_and_remedy(mistake, load, tmp_path):
    parquet(tmp_path / "a.parquet")
    (tmp_path / "words").write_text("one\ntwo\n")
    here = mistake.replace("FILE", str(tmp_path / "a.parquet")).replace("WORDS", str(tmp_path / "words"))
    before, arrow, after = here.partition("->")
    with pytest.raises(GridError, match=MISTAKES[mistake]) as raised:
        load(BASE.replace(before, after) if arrow else BASE + before)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


def test_parquet_with_captions_is_a_set_of_pairs_or_of_images(load, tmp_path):
    parquet(tmp_path / "a.parquet", caption=[["one", "two"]] * 20)
    of_images = BASE.replace("glyphs", f"{{name: parquet, path: {tmp_path}/a.parquet}}")
    of_pairs = of_images.replace("path:", "pairs: true, path:")
    (images,), (pairs,) = load(of_images), load(of_pairs)
    assert (images.encoder.name, pairs.encoder.name, pairs.views.size) == ("resnet18", "towers", 224)
    assert images.dataset.digest == pairs.dataset.digest
    assert run_id(images) != run_id(pairs)


def test_the_datacomp_grid_says_how_to_get_its_data_or_plans():
    cells = load_grid("sweeps/grids/datacomp-small.yaml").cells
    assert len(cells) == 3 * 2 * 6 * 3
    assert {cell.encoder.config for cell in cells} == {"ViT-B-32", "ViT-S-32"}
