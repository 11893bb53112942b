"""A compiled network: the eager one's numbers to the tolerance of the precision, compiled once for a shape."""

import dataclasses

import pytest
import torch
from torch._dynamo.utils import counters

from mmcr_core.augmentation.compiled_augmentations import CompilationFailed
from mmcr_core.objectives import objective_spec
from mmcr_core.training import Pretraining, compiled_network
from tests.mmcr_core.training.run_helpers import columns


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    monkeypatch.setattr(compiled_network, "_KEPT", {})


BYOL = objective_spec("byol", predictor_hidden=16)  # its teacher goes through the compiled network too


@pytest.mark.parametrize(
    ("objective", "precision", "tolerance"),
    [
        (objective_spec("mmcr"), "fp32", 1e-4),
        pytest.param(BYOL, "fp32", 1e-4, marks=pytest.mark.slow),
        pytest.param(BYOL, "bf16", 2e-2, marks=pytest.mark.slow),
    ],
)
def test_eager_and_compiled_runs_agree_and_nothing_is_compiled_on_the_way(digits_spec, objective, precision, tolerance):
    spec = digits_spec(precision=precision, objective=objective)
    run, eager = Pretraining(spec, network_compiled=True), Pretraining(spec)
    for name, value in eager.network.state_dict().items():
        assert torch.equal(value, run.network.state_dict()[name]), name  # compiling it has not trained it
    counters.clear()
    ours, theirs = columns(run.run()), columns(eager.run())
    for name in ("percent_error", "reconstruction", "uniformity"):
        assert abs(ours[name] - theirs[name]).max() < tolerance, name
    assert len(compiled_network._KEPT) == 1
    again = Pretraining(dataclasses.replace(spec, seed=1), network_compiled=True)
    again.train_step()
    assert not counters["stats"]["unique_graphs"]


def test_where_the_network_cannot_be_compiled_the_reason_is_said(digits_spec, monkeypatch):
    monkeypatch.setattr(compiled_network, "compiled", lambda function: no_compiler)
    with pytest.raises(CompilationFailed, match=r"^no compiler$"):
        Pretraining(digits_spec(), network_compiled=True)


def no_compiler(*_):
    raise RuntimeError("no compiler\nmore")
