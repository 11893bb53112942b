"""What must hold: replayed steps are the eager ones, a run learns and resumes, failures are what they should be.

A check yields one row: what was found, what was wanted, whether it holds. On a CPU nothing can be replayed: there the
same is done twice, and the row says so.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import torch

from mmcr_core.augmentation.compiled_augmentations import CompilationFailed
from mmcr_core.config.run import BudgetSpec, OptimizerSpec, RunSpec
from mmcr_core.objectives import make_objective, objective_spec
from mmcr_core.training import CaptureFailed, CaptureOutOfMemory, Pretraining
from mmcr_core.training.cuda_graphs import Graphs
from tests.benchmarks.gpu.rows import Row
from tests.benchmarks.gpu.specs import cifar, cifar_images, columns, difference, paper, stl10_images
from tests.benchmarks.gpu.stage import Setting, Tasks
from tests.benchmarks.gpu.stages import COMPILED, LOSSES, REPLAYED

OPTIMIZERS = {
    "adamw": OptimizerSpec("adamw", warmup=4),
    "sgd with nesterov": OptimizerSpec("sgd", learning_rate=0.03, momentum=0.9, nesterov=True, warmup=4),
    "lars": OptimizerSpec("lars", learning_rate=0.3, warmup=4),
}
# What rounding does to percent error and loss over 12 steps in fp32. At P = D it grows from step to step: on a CPU a
# change of the last bits of the weights moves MMCR's percent error by 1e-3 with Adam, by 1e-2 with SGD and by 2e-2 with
# LARS, SimCLR's by 5e-5. So the limit of a check is what such a change does to its own eager steps, with a margin.
ERROR, LEAST, MARGIN = 5e-3, 1e-3, 5
Bad = tuple[type[Exception], Callable[[torch.Tensor], object]]
BAD_CAPTURES: dict[str, Bad] = {
    "a capture that reads a value back": (CaptureFailed, lambda x: x.sum().item()),
    "a capture that needs more memory than there is": (
        CaptureOutOfMemory,
        lambda x: torch.empty(1 << 50, dtype=torch.uint8, device=x.device),
    ),
}


def tasks(setting: Setting) -> Tasks:
    shapes = COMPILED if setting.real else COMPILED[:1]
    return {
        **{f"compiled views {shape}": lambda shape=shape: [compiled_views(setting, shape)] for shape in shapes},
        **{f"replayed {name}": lambda name=name: [replayed(setting, name)] for name in REPLAYED},
        **{f"loss of {name}": lambda name=name: [loss_alone(setting, name)] for name in LOSSES},
        "first steps are the CPU's": lambda: [first_steps(setting)],
        "a short run learns in bf16": lambda: [learns(setting)],
        "resumes in mid-chunk, on a CPU too": lambda: [resumes(setting)],
        **{name: lambda name=name: bad_capture(setting, name) for name in BAD_CAPTURES},
    }


def check(found: object, wanted: str, holds: bool, **more: object) -> Row:
    return {"found": found, "wanted": wanted, "holds": holds, **more}


def replayed(setting: Setting, name: str) -> Row:
    """12 replayed against 12 eager steps. The eager ones first: a failed capture leaves nothing to run them with."""
    spec, images = spec_of(setting, name), cifar_images().to(setting.device)
    eager = columns(Pretraining(spec, setting.device, images, graphs=False))
    nudged = columns(last_bits_changed(Pretraining(spec, setting.device, images, graphs=False)))
    limits = {key: max(LEAST, MARGIN * difference(nudged[key], eager[key])) for key in eager}
    finite = all(value == value for value in eager["loss"])
    try:
        other = columns(Pretraining(spec, setting.device, images))
    except CaptureFailed as error:
        found = f"CaptureFailed: {error}; eager steps {'work' if finite else 'are not finite'}"
        return check(found, "a capture", False, capture_failed=True)
    off = {key: difference(other[key], eager[key]) for key in eager}
    holds = finite and all(off[key] <= limit for key, limit in limits.items())
    compared = "replayed and eager steps" if setting.real else "eager steps done twice, on a CPU"
    wanted = f"percent error within {limits['percent_error']:.2g}, loss within {limits['loss']:.2g}"
    return check(off, wanted, holds, compared=compared, last=eager["percent_error"][-1])


def last_bits_changed(run: Pretraining) -> Pretraining:
    """`run` with weights of which each is changed by one bit of float32 or none."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in run.network.parameters():
            bits = torch.randint(-1, 2, weights.shape, generator=generator).to(weights.device)
            weights.mul_(1 + 2**-23 * bits)
    return run


def spec_of(setting: Setting, name: str) -> RunSpec:
    """A run of an objective, of SwAV with its queue, or of MMCR with another optimizer."""
    if name in OPTIMIZERS:
        return cifar(setting, optimizer=OPTIMIZERS[name])
    if name == "swav with a queue":
        return cifar(setting, objective=objective_spec("swav", queue=2 * cifar(setting).P, queue_start=0.1))
    return cifar(setting, objective=objective_spec(name))


def loss_alone(setting: Setting, name: str) -> Row:
    """Value and gradient of a loss on random embeddings (P, 2, D), replayed against eager."""
    P = 256 if setting.real else 16
    objective = make_objective(name, dims=P).to(setting.device)
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(P, 2, P, generator=generator).to(setting.device).requires_grad_()
    found = torch.zeros(1 + z.numel(), device=setting.device)

    def work() -> None:
        z.grad = None
        loss = objective.loss(z)
        loss.backward()
        found.copy_(torch.cat([loss.detach()[None], z.grad.flatten()]))  # type: ignore[attr-defined]

    work()
    eager = found.clone()
    found.fill_(float("nan"))
    if setting.real:
        graphs = Graphs(torch.device("cuda", torch.cuda.current_device()))
        for _ in range(5):
            graphs.run("loss", work, warm_up=3)
    else:
        work()
    off = float((found - eager).norm() / eager.norm())
    return check(off, "at most 1e-4 of value and gradient together", off <= 1e-4, loss=float(eager[0]))


def first_steps(setting: Setting) -> Row:
    """fp32: the same batches, views and weights, so the first steps differ by rounding alone."""
    spec, images = cifar(setting, steps=6), cifar_images()
    ours, cpus = columns(Pretraining(spec, setting.device, images)), columns(Pretraining(spec, "cpu", images))
    off = difference(ours["percent_error"], cpus["percent_error"])
    return check(off, "percent error within 2e-3", off <= 2e-3)


def learns(setting: Setting) -> Row:
    spec = cifar(setting, steps=200 if setting.real else 60, precision="bf16")
    errors = columns(Pretraining(spec, setting.device, cifar_images()))["percent_error"]
    first, last = sum(errors[:10]) / 10, sum(errors[-10:]) / 10
    return check(f"{first:.3f} to {last:.3f}", "percent error falls", last < first)


def resumes(setting: Setting) -> Row:
    """Through bytes, at a step inside a chunk, once on the same device and once on a CPU."""
    spec, images = cifar(setting, steps=24), cifar_images()
    whole, begun = Pretraining(spec, setting.device, images), Pretraining(spec, setting.device, images)
    expected = columns(whole)["percent_error"]
    list(begun.run(until=17))
    stream = io.BytesIO()
    torch.save(begun.state_dict(), stream)

    def resumed(device: str) -> list[float]:
        stream.seek(0)
        run = Pretraining(spec, device, images)
        run.load_state_dict(torch.load(stream, map_location=device, weights_only=True))
        return columns(run)["percent_error"]

    off = {where: difference(resumed(where), expected) for where in dict.fromkeys([setting.device, "cpu"])}
    return check(off, f"percent error within {ERROR:g}", max(off.values()) <= ERROR)


def compiled_views(setting: Setting, shape: str) -> Row:
    """At the shapes of the stages that follow, and rounded to bf16 as there: they find what is compiled here in the
    compiler's cache. Values reach 3, so that a pixel rounded otherwise is 2^-6 off at most, and few are."""
    P, K = (int(number) for number in shape.split(" x "))
    spec, images = paper(setting, P, 64, K), stl10_images(setting)
    wanted = "at most 2^-6, on average 1e-4"
    try:
        runs = [Pretraining(spec, setting.device, images, compiled=compiled) for compiled in (False, True)]
    except CompilationFailed as error:
        return check(f"CompilationFailed: {error}", wanted, False)
    (eager, order), (compiled, _) = [(run.source, run.source.prepare_step(0)) for run in runs]
    places = [run._views_buffer() for run in runs]
    off = (compiled.batch(order, places[1]).float() - eager.batch(order, places[0]).float()).abs()
    found = {"largest": float(off.max()), "mean": float(off.mean())}
    return check(found, wanted, found["largest"] <= 2**-6 and found["mean"] <= 1e-4)


def bad_capture(setting: Setting, name: str) -> Iterator[Row]:
    """The capture fails as it should; nothing more can be captured in this process."""
    kind, bad = BAD_CAPTURES[name]
    eager = columns(
        Pretraining(cifar(setting, budget=BudgetSpec(steps=5)), setting.device, cifar_images(1024), graphs=False)
    )
    if not setting.real:
        yield {"left_out": "needs a GPU"}
        return
    device = torch.device("cuda", torch.cuda.current_device())
    x = torch.ones(8, device=device)

    def work() -> None:
        if torch.cuda.is_current_stream_capturing():
            bad(x)

    found = "no exception"
    try:
        Graphs(device).capture("bad", work, warm_up=True)
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
    holds = found.startswith(kind.__name__) and len(eager["loss"]) == 5
    yield check(found, f"{kind.__name__}, with its reason", holds)
