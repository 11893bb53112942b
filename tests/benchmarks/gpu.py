"""Everything about a GPU that can't be known without one, in under 8 minutes: `make gpu`, or by itself

    python -m tests.benchmarks.gpu              # needs neither Ray nor DuckDB
    python -m tests.benchmarks.gpu --device cpu # the script itself, on small shapes; what needs a GPU is left out

Each check prints its row as it ends: what was found, what was wanted, and whether it holds. Exit code 1 where one does
not. Writes results/benchmarks/{gpu,gpu_cells,gpu_nuclear_norm}-DEVICE.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import torch

from mmcr_core.defaults import run_spec
from mmcr_core.images.datasets import Images
from mmcr_core.nuclear_norm import nuclear_norm
from mmcr_core.spec import BudgetSpec, DatasetSpec, EncoderSpec, EvaluateSpec, OptimizerSpec, ProjectorSpec, RunSpec
from mmcr_core.training import CaptureFailed, CaptureOutOfMemory, Pretraining
from mmcr_core.training.cuda_graphs import Graphs
from tests.benchmarks import measure
from tests.benchmarks.measure import report, seconds_in_turn, stl10_images
from tests.benchmarks.step_efficiency import measured as step_efficiency

PAPER_IMAGES, EPOCHS = 105_000, 100
SPOILED = {  # what must happen in a process of its own: after it, nothing more can be captured there
    "a capture that reads a value back": (CaptureFailed, lambda x: x.sum().item()),
    "a capture that needs more memory than there is": (
        CaptureOutOfMemory,
        lambda x: torch.empty(1 << 50, dtype=torch.uint8, device=x.device),
    ),
}
Check = Callable[["Setting"], tuple[object, str, bool]]


@dataclasses.dataclass(frozen=True)
class Setting:
    """The device, and whether shapes are the real ones (on a GPU) or small."""

    device: str

    @property
    def real(self) -> bool:
        return self.device.startswith("cuda")

    def cifar(self, **changes: Any) -> RunSpec:
        """A CIFAR-shaped run: ResNet-18 with the small stem, or the convnet where shapes are small."""
        small = {"encoder": EncoderSpec("convnet"), "projector": ProjectorSpec((32,))}
        base = {"P": 64, "D": 64, "K": 2, "budget": BudgetSpec(steps=40), "evaluate": EvaluateSpec(1, "none")}
        base |= {"optimizer": OptimizerSpec(warmup=10)} | ({} if self.real else small | {"P": 8, "D": 8})
        return run_spec(DatasetSpec("cifar10"), **(base | changes))

    def paper(self, P: int, D: int, K: int) -> RunSpec:
        """A cell of the paper's grid; where shapes are small, of the convnet with P / 16."""
        spec = measure.stl10_cell(P, D, K)
        if self.real:
            return spec
        return dataclasses.replace(spec, P=P // 16, encoder=EncoderSpec("convnet"), projector=ProjectorSpec((32,)))


def cifar_images(count: int = 4096) -> Images:
    """Smooth random images of CIFAR's shape."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 8, 8, generator=generator)
    fine = torch.nn.functional.interpolate(coarse, (32, 32), mode="bilinear")
    pixels = (255 * fine).to(torch.uint8).permute(0, 2, 1, 3).contiguous()
    labels = torch.arange(count) % 10
    return Images(pixels[:-512], labels[:-512], pixels[-512:], labels[-512:])


def errors(run: Pretraining) -> list[float]:
    """Percent error of each step from here to the end."""
    return [value for chunk in run.run() for value in chunk.columns["percent_error"].tolist()]


def first_steps_are_the_cpus(s: Setting) -> tuple[object, str, bool]:
    """fp32: the same batches, views and weights, so the first steps differ by rounding alone."""
    spec, images = s.cifar(budget=BudgetSpec(steps=6)), cifar_images()
    ours, cpus = errors(Pretraining(spec, s.device, images)), errors(Pretraining(spec, "cpu", images))
    difference = max(abs(a - b) for a, b in zip(ours, cpus, strict=True))
    return difference, "at most 2e-3", difference <= 2e-3


def replay_is_the_eager_step(s: Setting) -> tuple[object, str, bool]:
    spec, images = s.cifar(), cifar_images()
    replayed = errors(Pretraining(spec, s.device, images))
    eager = errors(Pretraining(spec, s.device, images, graphs=False))
    difference = max(abs(a - b) for a, b in zip(replayed[:12], eager[:12], strict=True))
    return difference, "at most 5e-3 over 12 steps", difference <= 5e-3


def a_run_learns(s: Setting) -> tuple[object, str, bool]:
    spec = s.cifar(budget=BudgetSpec(steps=200), precision="bf16")
    found = errors(Pretraining(spec, s.device, cifar_images()))
    first, last = sum(found[:10]) / 10, sum(found[-10:]) / 10
    return f"{first:.3f} to {last:.3f}", "falls", last < first


def resumes_exactly(s: Setting) -> tuple[object, str, bool]:
    """Through bytes, at a step inside a chunk, once on the same device and once on a CPU."""
    spec, images = s.cifar(), cifar_images()
    whole, begun = Pretraining(spec, s.device, images), Pretraining(spec, s.device, images)
    expected = errors(whole)
    list(begun.run(until=17))
    stream = io.BytesIO()
    torch.save(begun.state_dict(), stream)

    def resumed(device: str) -> list[float]:
        stream.seek(0)
        run = Pretraining(spec, device, images)
        run.load_state_dict(torch.load(stream, map_location=device, weights_only=True))
        return errors(run)

    here, on_cpu = resumed(s.device), resumed("cpu")
    difference = max(abs(a - b) for a, b in zip(expected, here, strict=True))
    other = max(abs(a - b) for a, b in zip(expected[:22], on_cpu[:22], strict=True))
    return f"{difference:.1e}; gone on on a CPU {other:.1e}", "0 or rounding; 5e-3", difference < 5e-3 and other < 5e-3


def memory_is_free_between_cells(s: Setting) -> tuple[object, str, bool]:
    """Two different cells in one process, graphs and all; what is left after each, beside the images."""
    images = cifar_images().to(s.device)
    left = []
    for spec in (s.cifar(precision="bf16"), s.cifar(P=s.cifar().P * 2, D=32, K=4)):
        before = allocated(s)
        run = Pretraining(spec, s.device, images)
        list(run.run(until=12))
        run.evaluate()
        del run
        left.append(allocated(s) - before)
    return [f"{size / 2**20:.1f} MiB" for size in left], "less than 2 MiB", max(left) < 2 << 20


def allocated(s: Setting) -> int:
    """Bytes that live on the GPU, without the workspace of its matrix library, which belongs to the process."""
    if not s.real:
        return 0
    torch.cuda.synchronize()
    torch._C._cuda_clearCublasWorkspaces()
    return torch.cuda.memory_allocated()


def measured_memory_is_what_the_machine_sees(s: Setting) -> tuple[object, str, bool]:
    """What is reserved, graphs included, against what the driver says is gone."""
    if not s.real:
        return "left out", "needs a GPU", True
    torch.cuda.empty_cache()
    free = torch.cuda.mem_get_info()[0]
    torch.cuda.reset_peak_memory_stats()
    run = Pretraining(s.paper(256, 256, 2), s.device, stl10_images().to(s.device))
    list(run.run(until=8))
    gone, reserved = free - torch.cuda.mem_get_info()[0], torch.cuda.max_memory_reserved()
    text = f"reserved {reserved / 2**30:.2f} GiB, gone {gone / 2**30:.2f} GiB"
    return text, "within 20 % and 0.5 GiB", abs(reserved - gone) < 0.2 * reserved + (1 << 29)


def a_spoiled_process(name: str) -> Check:
    """The capture fails as it should in a process of its own; a run goes on eagerly in this one."""

    def check(s: Setting) -> tuple[object, str, bool]:
        wanted = SPOILED[name][0].__name__
        if not s.real:
            return "left out", f"needs a GPU ({wanted})", True
        command = [sys.executable, "-m", "tests.benchmarks.gpu", "--spoil", name]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        found = ran.stdout.strip() or ran.stderr.strip().splitlines()[-1:]
        eager = errors(Pretraining(s.cifar(budget=BudgetSpec(steps=3)), s.device, cifar_images(), graphs=False))
        return found, f"{wanted}, with its reason", str(found).startswith(wanted) and len(eager) == 3

    return check


def spoil(name: str) -> None:
    """In a process of its own: capture what can't be captured, and say what came of it."""
    kind, bad = SPOILED[name]
    device = torch.device("cuda", torch.cuda.current_device())
    x = torch.ones(8, device=device)

    def work() -> None:
        if torch.cuda.is_current_stream_capturing():
            bad(x)

    try:
        Graphs(device).capture("bad", work, warm_up=True)
    except kind as error:
        print(f"{kind.__name__}: {error}")


def views_compile(s: Setting) -> tuple[object, str, bool]:
    spec = s.paper(256, 256, 2) if s.real else dataclasses.replace(s.paper(256, 256, 2), K=1)
    images = stl10_images().to(s.device)
    began = time.perf_counter()
    compiled, eager = Pretraining(spec, s.device, images, compiled=True), Pretraining(spec, s.device, images)
    seconds = time.perf_counter() - began
    order = eager.source.draw(0)
    compiled.source.draw(0)
    difference = float((compiled.source.batch(order) - eager.source.batch(order)).abs().max())
    made = {"eager": lambda: eager.source.batch(order), "compiled": lambda: compiled.source.batch(order)}
    taken = seconds_in_turn(made, seconds=3)
    text = (
        f"{taken['eager'] / taken['compiled']:.2f} times as fast, {difference:.0e} apart, compiled in {seconds:.0f} s"
    )
    return text, "1e-4 at most", difference < 1e-4


CHECKS: dict[str, Check] = {
    "fp32: first steps against the CPU's, largest difference of percent error": first_steps_are_the_cpus,
    "replayed graphs against eager steps, the same": replay_is_the_eager_step,
    "a short CIFAR-shaped run in bf16": a_run_learns,
    "resume in mid-chunk, largest difference": resumes_exactly,
    "memory left by a cell in a process that goes on": memory_is_free_between_cells,
    "memory: what is measured and what the driver sees": measured_memory_is_what_the_machine_sees,
    **{name: a_spoiled_process(name) for name in SPOILED},
    "compiled views": views_compile,
}


def run_checks(s: Setting) -> list[dict[str, Any]]:
    rows = []
    for name, check in CHECKS.items():
        began = time.perf_counter()
        try:
            found, wanted, holds = check(s)
        except Exception as error:  # the other checks go on: ten minutes of somebody's GPU are precious
            traceback.print_exc()
            found, wanted, holds = f"{type(error).__name__}: {error}", "no exception", False
        seconds = time.perf_counter() - began
        shown = f"{found:.2e}" if isinstance(found, float) else str(found)
        rows.append({"check": name, "found": shown, "wanted": wanted, "holds": holds, "s": round(seconds, 1)})
        print(f"{'ok ' if holds else 'NOT'} {name}: {shown} (wanted: {wanted}) [{seconds:.1f} s]", flush=True)
    return rows


def cells(s: Setting) -> list[dict[str, Any]]:
    """Step efficiency of the paper's cells, and the hours of the whole grid: the step of every P and K at D = 256,
    times the steps of 100 epochs, times five D (D changes a step by a few per cent)."""
    images, seconds = stl10_images().to(s.device), 2.0 if s.real else 0.2
    shapes = [(P, 256, K) for K in (2, 4, 8) for P in (64, 128, 256, 512, 1024)]
    rows = []
    for P, D, K in (*shapes, (64, 1024, 2), (1024, 64, 2), (1024, 1024, 2)):
        rows.append(step_efficiency(s.paper(P, D, K), images, device=s.device, seconds=seconds))
    hours = sum(5 * EPOCHS * (PAPER_IMAGES // row["P"]) * row["full ms"] / 3.6e6 for row in rows[: len(shapes)])
    if s.real:
        for P in (64, 256, 1024):
            spec = s.paper(P, 256, 2)
            rows.append(step_efficiency(spec, images, device=s.device, compiled=True, seconds=seconds))
    print(f"the paper's grid, 75 cells of 100 epochs, one at a time, views eager: {hours:.1f} hours")
    return rows


def nuclear_norms(s: Setting) -> list[dict[str, Any]]:
    """Value and gradient against torch's, and against float64."""
    shapes = ((64, 64), (256, 256), (512, 512), (1024, 1024), (1024, 256)) if s.real else ((64, 64), (128, 32))
    return [nuclear_norm_row(P, D, s.device) for P, D in shapes]


def nuclear_norm_row(P: int, D: int, device: str) -> dict[str, Any]:
    M = torch.nn.functional.normalize(torch.randn(P, D, generator=torch.Generator().manual_seed(0)), dim=1)
    here = M.to(device)

    def gradient(norm: Callable[[torch.Tensor], torch.Tensor], M: torch.Tensor) -> torch.Tensor:
        X = M.clone().requires_grad_()
        return torch.autograd.grad(norm(X), X)[0]

    def torchs(X: torch.Tensor) -> torch.Tensor:
        return torch.linalg.matrix_norm(X, "nuc")

    taken = seconds_in_turn({"torch": lambda: gradient(torchs, here), "ours": lambda: gradient(nuclear_norm, here)})
    exact = gradient(lambda X: nuclear_norm(X, "svd"), M.double())
    row = {"P": P, "D": D, **{f"{name} ms": 1e3 * seconds for name, seconds in taken.items()}}
    off = float((gradient(nuclear_norm, here).cpu() - exact).norm() / exact.norm())
    return row | {"ratio": taken["torch"] / taken["ours"], "gradient off by": off}


def main() -> None:
    parser = argparse.ArgumentParser(description="What only a GPU can answer.")
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to try the script itself on small shapes")
    parser.add_argument("--spoil", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        sys.exit("no GPU was found; --device cpu tries the script itself")
    if given.spoil:
        spoil(given.spoil)
        return
    measure.DEVICE = "cuda" if given.device.startswith("cuda") else "cpu"
    s = Setting(given.device)
    began = time.perf_counter()
    rows = run_checks(s)
    if s.real:
        report("gpu", "Checks", rows)
        report("gpu_nuclear_norm", "Nuclear norm, value and gradient", nuclear_norms(s))
        report("gpu_cells", "Bare encoder step over full step", cells(s))
    else:
        for table in (nuclear_norms(s), cells(s)):
            print("\n".join(map(str, table)))
    failed = [row["check"] for row in rows if not row["holds"]]
    print(f"{len(rows) - len(failed)} of {len(rows)} checks hold, {time.perf_counter() - began:.0f} s in all")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
