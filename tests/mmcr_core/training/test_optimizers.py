"""Optimizers: each is its published recipe, what a graph reads stays in its place, a state resumes exactly."""

import dataclasses

import pytest
import torch

from mmcr_core.config.run import BudgetSpec, OptimizerSpec, SpecError
from mmcr_core.models.encoders import build_network
from mmcr_core.training import Pretraining
from mmcr_core.training.lars import LARS
from mmcr_core.training.optimizers import (
    build_optimizer,
    load_optimizer_state,
    optimizer_state,
    parameter_copies,
    parameter_groups,
    set_rate,
)
from tests.mmcr_core.training.run_helpers import columns, same, through_bytes


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


def recipe(spec, parameter, gradient, steps, rate=0.2):
    """Float64 transcription: SGD, LARS and AdamW as published, one parameter, the same gradient at each step."""
    w, momentum, eps = parameter.double().clone(), spec.momentum or 0.0, spec.eps or 1e-8
    excluded = spec.exclude_bias_and_norm and w.ndim <= 1
    decay = 0.0 if excluded else spec.weight_decay
    buffer = first = second = torch.zeros_like(w)
    for step in range(1, steps + 1):
        g = gradient.double()
        if spec.name in ("adam", "adamw"):
            if spec.name == "adamw":
                w = w - rate * decay * w
            else:
                g = g + decay * w
            first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
            w = w - rate * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + eps)
            continue
        g = g + decay * w
        if spec.name == "lars" and not excluded and w.norm() > 0 and g.norm() > 0:
            g = spec.trust_coefficient * w.norm() / g.norm() * g
        buffer = momentum * buffer + g
        w = w - rate * (g + momentum * buffer if spec.nesterov else buffer)
    return w


EVERY_OPTIMIZER = [
    OptimizerSpec("adam", weight_decay=0.1),
    OptimizerSpec("adam", weight_decay=0.1, eps=1e-3),
    OptimizerSpec("adamw", weight_decay=0.1),
    OptimizerSpec("adamw", weight_decay=0.1, exclude_bias_and_norm=False),
    OptimizerSpec("sgd", weight_decay=0.1),
    OptimizerSpec("sgd", weight_decay=0.1, nesterov=True, exclude_bias_and_norm=True),
    OptimizerSpec("sgd", weight_decay=0.1, momentum=0.0),
    OptimizerSpec("lars", weight_decay=0.1),
    OptimizerSpec("lars", weight_decay=0.1, nesterov=True, trust_coefficient=0.02),
    OptimizerSpec("lars", momentum=0.0),
]


def name_of(spec):
    return "-".join(
        str(value) for value in (spec.name, spec.momentum, spec.nesterov, spec.exclude_bias_and_norm, spec.eps)
    )


@pytest.mark.parametrize("spec", EVERY_OPTIMIZER, ids=name_of)
def test_every_optimizer_is_its_published_recipe_in_float64(spec):
    """For a weight matrix and a bias, which some recipes treat otherwise, and for weights that are all 0."""
    torch.manual_seed(0)
    parameters = [torch.nn.Parameter(p) for p in (torch.randn(5, 4), torch.randn(5), torch.zeros(3, 2))]
    begun, gradients = [p.detach().clone() for p in parameters], [torch.randn_like(p) for p in parameters]
    optimizer = build_optimizer(spec, parameters, torch.zeros(()))
    set_rate(optimizer, 0.2)
    for _ in range(4):
        for p, gradient in zip(parameters, gradients, strict=True):
            p.grad = gradient.clone()
        optimizer.step()
    for p, start, gradient in zip(parameters, begun, gradients, strict=True):
        torch.testing.assert_close(p.detach().double(), recipe(spec, start, gradient, 4), rtol=2e-6, atol=2e-6)


def test_adam_is_torchs_own_bit_for_bit():
    torch.manual_seed(0)
    ours, theirs = (torch.nn.Parameter(torch.arange(12.0).view(4, 3)) for _ in range(2))
    mine = build_optimizer(OptimizerSpec(), [ours], torch.zeros(()))
    torchs = torch.optim.Adam([theirs], lr=1e-3, weight_decay=1e-6, fused=True)
    set_rate(mine, 1e-3)
    for _ in range(3):
        for p, optimizer in ((ours, mine), (theirs, torchs)):
            optimizer.zero_grad()
            p.square().sum().sin().backward()
            optimizer.step()
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("spec", EVERY_OPTIMIZER, ids=name_of)
def test_no_optimizer_reads_a_value_back(spec):
    """On meta tensors a read raises. Steps beyond the first, which makes the state."""
    parameters = [torch.nn.Parameter(torch.empty(size, device="meta")) for size in ((4, 3), (4,))]
    optimizer = build_optimizer(spec, parameters, torch.empty((), device="meta"))
    for _ in range(2):
        for p in parameters:
            p.grad = torch.empty_like(p)
        optimizer.step()


@pytest.mark.parametrize("kind", ["lars", "lars nesterov", "sgd"])
def test_a_learning_rate_in_a_tensor_is_read_at_each_step(kind):
    """As on a GPU, where a captured step reads it; of SGD torch's fused form alone takes one."""
    weights, tensor = torch.randn(6, 5), torch.tensor(0.0)
    ends = []
    for rate in (0.0, tensor):
        p = torch.nn.Parameter(weights.clone())
        if kind == "sgd":
            optimizer = torch.optim.SGD([p], rate, 0.9, fused=True)
        else:
            optimizer = LARS([p], rate, 0.9, nesterov="nesterov" in kind, trust_coefficient=0.01)
        for now in (0.5, 0.25, 0.125):
            tensor.fill_(now)
            set_rate(optimizer, now)
            optimizer.zero_grad()
            p.square().sum().backward()
            optimizer.step()
        ends.append(p.detach())
    assert torch.equal(*ends)
    assert not torch.equal(ends[0], weights)


@pytest.mark.parametrize("spec", EVERY_OPTIMIZER, ids=name_of)
def test_the_memory_that_is_planned_is_what_an_optimizer_keeps(spec):
    """Weights, gradients and state; of LARS the update too, which lives only in its step."""
    parameters = [torch.nn.Parameter(torch.randn(size)) for size in ((40, 30), (40,))]
    optimizer = build_optimizer(spec, parameters, torch.zeros(()))
    for p in parameters:
        p.grad = torch.randn_like(p)
    optimizer.step()
    state = [value for of_one in optimizer_state(optimizer).values() for value in of_one.values()]
    kept = sum(value.numel() for value in state if value is not None and value.ndim)
    sizes = sum(p.numel() for p in parameters)
    assert parameter_copies(spec) * sizes == 2 * sizes + kept + (sizes if spec.name == "lars" else 0)


def test_parameters_of_an_objective_that_are_one_dimensional_are_left_out_too(digits_spec):
    network = build_network(digits_spec())
    groups = parameter_groups(OptimizerSpec("lars"), [*network.parameters(), torch.nn.Parameter(torch.ones(3))])
    assert [(group["weight_decay"], group["adapted"]) for group in groups] == [(1e-6, True), (0.0, False)]
    norms = sum(isinstance(layer, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d) for layer in network.modules())
    assert len(groups[1]["params"]) == 2 * norms + 1
    assert all(p.ndim > 1 for p in groups[0]["params"])


@pytest.mark.parametrize(
    ("fields", "key", "says"),
    [
        ({"name": "adam", "momentum": 0.9}, "momentum", "applies to sgd and lars, not to adam; leave it out"),
        ({"name": "adam", "exclude_bias_and_norm": True}, "exclude_bias_and_norm", "applies to adamw, sgd and lars"),
        ({"name": "adamw", "nesterov": False}, "nesterov", "applies to sgd and lars, not to adamw"),
        ({"name": "sgd", "trust_coefficient": 0.1}, "trust_coefficient", "applies to lars, not to sgd"),
        ({"name": "sgd", "eps": 1e-8}, "eps", "applies to adam and adamw, not to sgd"),
        ({"name": "sgd", "momentum": 1.0}, "momentum", r"must lie in \[0, 1\)"),
        ({"name": "sgd", "momentum": 0.0, "nesterov": True}, "nesterov", "needs momentum of more than 0"),
        ({"name": "lars", "trust_coefficient": 0.0}, "trust_coefficient", "must be more than 0"),
        ({"name": "lars", "exclude_bias_and_norm": False}, "exclude_bias_and_norm", "lars leaves biases and norms out"),
        ({"name": "adamw", "eps": 0.0}, "eps", "must be more than 0"),
    ],
)
def test_options_that_do_not_apply_to_an_optimizer_are_refused(fields, key, says):
    with pytest.raises(SpecError, match=says) as raised:
        OptimizerSpec(**fields)
    assert raised.value.key == key


@pytest.mark.usefixtures("_short_chunks")
@pytest.mark.parametrize("spec", [OptimizerSpec(name) for name in ("adamw", "sgd", "lars")], ids=lambda spec: spec.name)
def test_a_run_with_any_optimizer_is_resumed_bit_for_bit_and_learns(digits_spec, spec):
    spec = dataclasses.replace(spec, learning_rate=1.0 if spec.name == "lars" else 1e-2)
    run_spec = digits_spec(optimizer=spec, P=64, D=16, budget=BudgetSpec(steps=30))
    whole, begun, resumed = (Pretraining(run_spec) for _ in range(3))
    expected = columns(whole.run())
    before = list(begun.run(until=7))
    resumed.load_state_dict(through_bytes(begun.state_dict()))
    assert same(expected, columns([*before, *resumed.run()]))
    assert expected["loss"][-5:].mean() < expected["loss"][:5].mean() - expected["loss"][-5:].std()
