"""The options of each kind of encoder, data set and optimizer, and the flat values that a run keeps of them."""

import subprocess
import sys
from typing import get_args, get_type_hints

import pytest

from mmcr_core.config.dataset import DATASETS, NAMED_IMAGES, DatasetName
from mmcr_core.config.encoder import ENCODER_KINDS
from mmcr_core.config.optimizer import OPTIMIZERS
from mmcr_core.config.run import DatasetSpec, EncoderSpec, OptimizerSpec, SpecError
from mmcr_core.config.validation import options_of

PARTS = [(DatasetSpec, DATASETS), (EncoderSpec, ENCODER_KINDS), (OptimizerSpec, OPTIMIZERS)]


@pytest.mark.parametrize(("flat", "kinds"), PARTS)
def test_every_option_is_a_field_of_the_flat_value_of_the_same_type_or_null(flat, kinds):
    held = get_type_hints(flat)
    for kind in kinds.values():
        for key, wanted in get_type_hints(kind).items():
            if key in options_of(kind) and key != "split":  # a text, since each data set has its own
                assert held[key] in (wanted, wanted | None), (kind, key)


def test_names_and_splits_are_those_that_are_known_elsewhere():
    assert tuple(DATASETS) == get_args(DatasetName)
    assert tuple(OPTIMIZERS) == get_args(get_type_hints(OptimizerSpec)["name"])
    named = {name for name, _ in NAMED_IMAGES}
    splits = {(name, split) for name in named for split in get_args(get_type_hints(DATASETS[name])["split"])}
    assert splits == set(NAMED_IMAGES)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_has_its_own_defaults_and_null_for_what_is_anothers(name):
    spec, mine = OptimizerSpec(name), OPTIMIZERS[name]()
    for key in {key for kind in OPTIMIZERS.values() for key in options_of(kind)}:
        assert getattr(spec, key) == getattr(mine, key, None)


@pytest.mark.parametrize(
    ("make", "key", "says"),
    [
        (
            lambda: EncoderSpec("convnet", width=8),
            "width",
            "applies to resnet18, resnet34 and resnet50, not to convnet",
        ),
        (lambda: EncoderSpec("my:net", stem="small"), "stem", "applies to resnet18, .*, not to my:net; leave it out"),
        (lambda: EncoderSpec("timm"), "model", "is missing; name one of timm's architectures"),
        (lambda: OptimizerSpec("adam", momentum=0.5), "momentum", "applies to sgd and lars, not to adam"),
        (lambda: DatasetSpec("digits", samples=4), "samples", "applies to shards, not to dataset 'digits'"),
        (lambda: DatasetSpec("digits", digest="0" * 64), "digest", "applies to folder, parquet and shards, not to"),
        (lambda: DatasetSpec("folder"), "path", "is missing; give a folder, a parquet file, or shards"),
        (lambda: DatasetSpec("parquet", path="x", captions=2), "captions", "give pairs: true too"),
    ],
)
def test_an_option_that_is_anothers_or_is_missing_is_refused_by_name(make, key, says):
    with pytest.raises(SpecError, match=says) as raised:
        make()
    assert raised.value.key == key


def test_options_are_known_without_torch():
    modules = "mmcr_core.config.encoder, mmcr_core.config.optimizer, mmcr_core.config.dataset"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
