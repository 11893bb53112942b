"""Every objective of the registry in a run: its state is trained and resumed, and it learns."""

import pytest
import torch

from mmcr_core import objectives
from mmcr_core.config.run import BudgetSpec
from mmcr_core.objectives.base import Objective
from mmcr_core.objectives.mmcr import MMCROptions
from mmcr_core.training import Pretraining
from tests.mmcr_core.training.run_helpers import columns, same, through_bytes

EVERY_OBJECTIVE = [spec for spec in map(objectives.objective_spec, objectives.OBJECTIVES) if not spec.needs_captions]


class Stateful(Objective):
    """An objective with everything that a checkpoint must hold: a parameter, and a buffer that `after_step` turns."""

    Options = MMCROptions

    def __init__(self, dims, options):
        super().__init__(dims, options)
        self.scale = torch.nn.Parameter(torch.ones(dims))
        self.register_buffer("turns", torch.zeros(()))

    def loss(self, z, teacher=None, progress=None):
        return ((z * self.scale).square().mean() - 1 - progress) ** 2 + 0.01 * self.turns * z.mean()

    def after_step(self):
        self.turns += 1


@pytest.fixture
def _stateful(monkeypatch):
    monkeypatch.setitem(objectives.OBJECTIVES, "mmcr", f"{__name__}:Stateful")


@pytest.mark.usefixtures("_stateful", "_short_chunks")
@pytest.mark.parametrize("stop", [1, 6, 11])
def test_an_objectives_parameters_and_buffers_are_trained_and_resumed(digits_spec, stop):
    whole, begun, resumed = (Pretraining(digits_spec()) for _ in range(3))
    expected = columns(whole.run())
    before = list(begun.run(until=stop))
    resumed.load_state_dict(through_bytes(begun.state_dict()))
    assert same(expected, columns([*before, *resumed.run()]))
    assert whole.objective.turns.item() == resumed.objective.turns.item() == 12
    assert not torch.equal(whole.objective.scale, torch.ones(8))
    assert torch.equal(whole.objective.scale, resumed.objective.scale)


QUEUED = objectives.objective_spec("swav", prototypes=8, queue=48, queue_start=0.1, frozen=0.3)


@pytest.mark.usefixtures("_short_chunks")
@pytest.mark.parametrize("objective", [*EVERY_OBJECTIVE, QUEUED], ids=lambda spec: spec.name)
def test_every_objective_is_resumed_bit_for_bit(digits_spec, objective):
    spec = digits_spec(objective=objective, K=3)
    whole, begun, resumed = (Pretraining(spec) for _ in range(3))
    expected = columns(whole.run())
    before = list(begun.run(until=7))
    resumed.load_state_dict(through_bytes(begun.state_dict()))
    assert same(expected, columns([*before, *resumed.run()]))


@pytest.mark.parametrize("K", [pytest.param(2, marks=pytest.mark.slow), 3])
@pytest.mark.parametrize("objective", EVERY_OBJECTIVE, ids=lambda spec: spec.name)
def test_training_lowers_every_loss(digits_spec, objective, K):
    run = Pretraining(digits_spec(objective=objective, P=64, D=16, K=K, budget=BudgetSpec(steps=40)))
    loss = columns(run.run())["loss"]
    assert loss[-5:].mean() < loss[:5].mean() - loss[-5:].std()


def test_alignment_alone_collapses_and_mmcr_does_not(digits_spec):
    ends = {
        name: {key: values[-5:].mean() for key, values in columns(Pretraining(spec).run()).items()}
        for name in ("alignment", "mmcr")
        for spec in [digits_spec(P=64, D=16, budget=BudgetSpec(steps=60), objective=objectives.objective_spec(name))]
    }
    assert ends["alignment"]["reconstruction"] > ends["mmcr"]["reconstruction"]
    assert ends["alignment"]["uniformity"] < 0.5 < 0.9 < ends["mmcr"]["uniformity"]
