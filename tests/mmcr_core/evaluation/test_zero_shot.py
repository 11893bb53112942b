"""Zero-shot classes, their texts, and the files that name them."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from mmcr_core.config.defaults import VIEW_RECIPES, run_spec
from mmcr_core.config.run import BudgetSpec, DatasetSpec, EncoderSpec, EvaluateSpec, SpecError, ZeroShotSpec
from mmcr_core.data import registry
from mmcr_core.data.image_set import DatasetError
from mmcr_core.evaluation.zero_shot import class_embeddings, require_texts, require_usable, texts, zero_shot
from mmcr_core.models.dual_encoder import open_clip
from tests.mmcr_core.data.custom_data import write_folder, write_hub
from tests.mmcr_core.data.shards.shard_data import gray

GLYPHS = DatasetSpec("glyphs")


def unit(*shape, seed=0):
    z = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(z, dim=-1)


def test_classes_are_held_against_the_labels_of_a_users_own_images(tmp_path):
    (tmp_path / "words").write_text("one\ntwo\n")
    table = {"image": [b""] * 4}
    pq.write_table(pa.table(table | {"label": [0, 1, 2, None]}), tmp_path / "three.parquet")
    pq.write_table(pa.table(table), tmp_path / "none.parquet")
    for place in ("flat/a.png", "classes/a/x.png", "classes/b/x.png", "classes/c/x.png"):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).touch()
    for kind, name, says in (
        ("parquet", "three.parquet", "names 2 classes, and dataset 'parquet' has 3 labels"),
        ("parquet", "none.parquet", "none.parquet has no labels; give images in class folders"),
        ("folder", "flat", "flat has no labels; give images in class folders"),
        ("folder", "classes", "names 2 classes, and dataset 'folder' has 3 labels"),
    ):
        looked_at = ZeroShotSpec(DatasetSpec(kind, path=str(tmp_path / name)), str(tmp_path / "words"))
        with pytest.raises(SpecError, match=says):
            require_texts(EvaluateSpec(measures=("zero_shot",), zero_shot=looked_at), GLYPHS)


@pytest.mark.parametrize("of_use", [True, False])
def test_an_image_that_is_looked_at_is_tried_before_anything_runs(of_use, tmp_path):
    (tmp_path / "words").write_text("one\ntwo\n")
    whole = gray(40, (32, 32))
    image = whole if of_use else whole[: len(whole) // 2]
    pq.write_table(pa.table({"image": [image] * 4, "label": [0, 1, 0, 1]}), tmp_path / "shown.parquet")
    shown = ZeroShotSpec(DatasetSpec("parquet", path=str(tmp_path / "shown.parquet")), str(tmp_path / "words"))
    spec = run_spec(
        DatasetSpec("parquet", path="of pairs.parquet", pairs=True),
        *(4, 4, 2, BudgetSpec(steps=1)),
        encoder=EncoderSpec("towers", config="tiny"),
        views=replace(VIEW_RECIPES["clip"], size=8),
        evaluate=EvaluateSpec(measures=("zero_shot",), zero_shot=shown),
    )
    refused = pytest.raises(DatasetError, match=r"none of its first 4 images can be used; .*row 0")
    with nullcontext() if of_use else refused:
        require_usable(spec)


def test_accuracies_are_those_of_a_plain_loop():
    images, classes, labels = unit(50, 8), unit(12, 8, seed=1), torch.arange(50) % 12
    top1, top5 = zero_shot(images, labels, classes, "words")
    order = (-(images @ classes.T)).argsort(dim=1).numpy()
    assert top1.value == pytest.approx(np.mean(order[:, 0] == labels.numpy()))
    assert top5.value == pytest.approx(np.mean((order[:, :5] == labels.numpy()[:, None]).any(1)))
    assert (top1.name, top1.subject, top1.count) == ("zero_shot_top1", "words", 50)


def test_of_classes_that_are_all_alike_the_first_is_taken():
    top1, top5 = zero_shot(unit(14, 4), torch.arange(14) % 7, unit(1, 4).expand(7, 4), "")
    assert (top1.value, top5.value) == pytest.approx((1 / 7, 5 / 7))


def test_a_class_is_the_normalized_mean_over_its_texts():
    table = {"a cat": unit(4, seed=1), "cats": unit(4, seed=2), "a dog": unit(4, seed=3), "dogs": unit(4, seed=4)}
    found = class_embeddings(["cat", "dog"], ["a {}", "{}s"], lambda said: torch.stack([table[text] for text in said]))
    expected = torch.nn.functional.normalize(table["a cat"] + table["cats"], dim=0)
    torch.testing.assert_close(found[0], expected)


def test_imagenets_names_and_templates_are_open_clips():
    spec = ZeroShotSpec(DatasetSpec("cifar10"), "imagenet", "imagenet")
    classes, templates = texts(spec, ())
    assert classes == list(open_clip().IMAGENET_CLASSNAMES)
    said = [template.replace("{}", "tench") for template in templates]
    assert said == [template("tench") for template in open_clip().OPENAI_IMAGENET_TEMPLATES]
    assert (len(classes), len(templates)) == (1000, 80)


def test_files_name_classes_and_templates_a_line_each(tmp_path):
    (tmp_path / "c").write_text("cat\n\n dog \n")
    (tmp_path / "t").write_text("a {}\n{}s\n")
    spec = ZeroShotSpec(DatasetSpec("cifar10"), str(tmp_path / "c"), str(tmp_path / "t"))
    assert texts(spec, ()) == (["cat", "dog"], ["a {}", "{}s"])


@pytest.mark.parametrize(
    ("classes", "templates", "key", "says"),
    [
        ("none", None, "classes", "cannot be read .No such file"),
        ("empty", None, "classes", "has no line; write one for each"),
        ("one", None, "classes", "names 1 classes; at least 2 are needed"),
        ("same", None, "classes", "names 'cat' twice, so that neither could ever be found"),
        ("binary", None, "classes", "it is not UTF-8 text"),
        ("two", "two", "templates", "has a line without {}, where the name goes: cat"),
    ],
)
def test_files_of_no_use_are_refused(classes, templates, key, says, tmp_path):
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "one").write_text("cat\n")
    (tmp_path / "same").write_text("cat\ndog\ncat\n")
    (tmp_path / "two").write_text("cat\ndog\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    spec = ZeroShotSpec(DatasetSpec("cifar10"), str(tmp_path / classes), templates and str(tmp_path / templates))
    with pytest.raises(SpecError, match=says) as raised:
        texts(spec, ())
    assert raised.value.key == f"evaluate.zero_shot.{key}"


def test_a_file_of_names_may_begin_with_a_byte_order_mark_and_end_its_lines_as_windows_does(tmp_path):
    (tmp_path / "names").write_bytes("cat\r\ndög\r\n".encode("utf-8-sig"))
    assert texts(ZeroShotSpec(DatasetSpec("digits"), str(tmp_path / "names")), ())[0] == ["cat", "dög"]


def test_parquet_files_may_name_their_own_classes(tmp_path):
    named, unnamed = write_hub(tmp_path / "named"), write_hub(tmp_path / "unnamed", names=())
    require_texts(EvaluateSpec(measures=("zero_shot",), zero_shot=ZeroShotSpec(named)), GLYPHS)
    assert texts(ZeroShotSpec(named), registry.load(named).classes)[0] == ["cat", "dog", "eel"]
    with pytest.raises(SpecError, match=r"is missing; .*unnamed has numbers as labels and no names for them") as raised:
        require_texts(EvaluateSpec(measures=("zero_shot",), zero_shot=ZeroShotSpec(unnamed)), GLYPHS)
    assert raised.value.key == "evaluate.zero_shot.classes"


def test_pairs_that_name_their_classes_are_looked_at_themselves(tmp_path):
    asked = EvaluateSpec(measures=("zero_shot",))
    require_texts(asked, replace(write_hub(tmp_path / "named"), pairs=True))
    with pytest.raises(SpecError, match=r"is missing; .*unnamed names no classes of its pairs") as raised:
        require_texts(asked, replace(write_hub(tmp_path / "unnamed", names=()), pairs=True))
    assert raised.value.key == "evaluate.zero_shot"


def test_all_images_of_a_set_can_be_held_out_where_none_is_trained_on(tmp_path):
    some = write_hub(tmp_path / "named")
    rest, shown = registry.count(some)
    everything = replace(some, heldout=1.0)
    assert registry.count(everything) == (0, rest + shown)
    images = registry.load(everything)
    assert (len(images.train), len(images.heldout), len(images.heldout_labels)) == (0, rest + shown, rest + shown)
    with pytest.raises(SpecError, match="leaves no images to train on") as raised:
        run_spec(everything, 2, 4, 2, BudgetSpec(steps=1))
    assert raised.value.key == "dataset.heldout"


@pytest.mark.parametrize("kind", ["parquet", "folder"])
def test_classes_in_another_order_than_the_names_of_the_labels_are_refused(kind, tmp_path):
    if kind == "folder":
        named = write_folder(tmp_path / "named", {f"{name}/1.png": b"" for name in ("cat", "dog", "eel")})
    else:
        write_hub(tmp_path / "hub")  # numbers, and their names beside them
        pq.write_table(pa.table({"image": [b""] * 3, "label": ["eel", "cat", "dog"]}), tmp_path / "words.parquet")
        named = DatasetSpec("parquet", path=str(tmp_path / "words.parquet"))

    def require(classes, looked_at=named):
        (tmp_path / "classes").write_text(classes)
        shown = ZeroShotSpec(looked_at, str(tmp_path / "classes"))
        require_texts(EvaluateSpec(measures=("zero_shot",), zero_shot=shown), GLYPHS)

    require("Cat\ndog\neel\n")
    require("tabby\nhound\neel\n")
    for classes in ("dog\ncat\neel\n", "tabby\nEel\nhound\n"):
        with pytest.raises(
            SpecError, match=r"for label \d, which dataset '\w+' calls .* order of its labels: cat, dog, eel"
        ):
            require(classes)
    if kind == "parquet":
        with pytest.raises(SpecError, match="names 'eel' for label 0, which dataset 'parquet' calls 'cat'"):
            require("eel\ndog\ncat\n", DatasetSpec("parquet", path=str(tmp_path / "hub")))
