"""Optimisers: what a graph reads stays in its place, and a state goes from one type of device to another."""

import torch

from mmcr_core.spec import OptimizerSpec
from mmcr_core.training.optimisers import build_optimizer, load_optimizer_state, optimizer_state, set_rate


def stepped(optimizer, parameter, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        (parameter.square().sum()).backward()
        optimizer.step()


def test_a_learning_rate_in_a_tensor_is_the_same_tensor_after_loading():
    """As on a GPU, where a captured step reads it: a copy would keep the rate of the moment for ever."""
    rate, parameter = torch.tensor(0.1), torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([parameter], lr=rate, foreach=False)
    stepped(optimizer, parameter, 2)
    load_optimizer_state(optimizer, optimizer_state(optimizer))
    assert optimizer.param_groups[0]["lr"] is rate
    before = parameter.detach().clone()
    rate.zero_()
    stepped(optimizer, parameter, 1)
    assert torch.equal(parameter, before)


def test_a_number_is_set_at_each_step():
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = build_optimizer(OptimizerSpec(), [parameter], torch.zeros(2)[0])
    set_rate(optimizer, 0.25)
    assert optimizer.param_groups[0]["lr"] == 0.25
    stepped(optimizer, parameter, 1)
    assert torch.allclose(parameter, torch.full((3,), 0.75), atol=1e-4)


def test_a_state_holds_moments_and_steps_alone():
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = build_optimizer(OptimizerSpec(), [parameter], torch.zeros(2)[0])
    stepped(optimizer, parameter, 3)
    assert set(optimizer_state(optimizer)[0]) == {"step", "exp_avg", "exp_avg_sq"}
