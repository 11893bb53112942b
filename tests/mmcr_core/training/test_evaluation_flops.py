"""What measuring costs, against torch's counter on the measuring itself."""

from dataclasses import replace

import pytest
from torch.utils.flop_counter import FlopCounterMode

from mmcr_core.config.run import DatasetSpec, EvaluateSpec, ZeroShotSpec
from mmcr_core.data import registry
from mmcr_core.evaluation.evaluate import evaluate
from mmcr_core.models.networks import build_network
from mmcr_core.training.evaluation_flops import evaluation_flops

ASKED = {
    "held-out batches": EvaluateSpec(3, "none"),
    "a probe": EvaluateSpec(0, "knn"),
    "a probe with gains": EvaluateSpec(0, "knn", ("knn",)),
    "a small bank": EvaluateSpec(0, "knn", probe_images=100),
    "embeddings": EvaluateSpec(0, "none", ("alignment", "capacity")),
}


def counted(spec):
    with FlopCounterMode(display=False) as counter:
        evaluate(build_network(spec), spec, registry.load(spec.dataset, "cpu", spec.views.size))
    return counter.get_total_flops()


@pytest.mark.parametrize("asked", ASKED)
def test_what_is_counted_before_is_what_measuring_takes(digits_spec, capacity_stand_in, asked):
    spec = digits_spec(evaluate=ASKED[asked])
    assert evaluation_flops(spec, *registry.count(spec.dataset)) == pytest.approx(counted(spec), rel=0.3)


def test_texts_and_images_of_another_set_count(pairs_spec, tmp_path):
    (tmp_path / "words").write_text("\n".join(map(str, range(10))))
    (tmp_path / "texts").write_text("\n".join(f"{{}} {n}" for n in range(20)))
    looked = ZeroShotSpec(DatasetSpec("digits"), str(tmp_path / "words"), str(tmp_path / "texts"))
    spec = pairs_spec(evaluate=EvaluateSpec(0, "none", ("zero_shot",), zero_shot=looked))
    spec = replace(spec, evaluate=replace(spec.evaluate, measures=("zero_shot", "retrieval")))
    # torch's counter passes over attention that is fused, as it is in eval mode.
    assert evaluation_flops(spec, *registry.count(spec.dataset)) == pytest.approx(counted(spec), rel=0.35)
