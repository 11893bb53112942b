"""Runs and images that the stages use: the real shapes on a GPU, small ones in a rehearsal."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import torch

from mmcr_core.config.defaults import VIEW_RECIPES, run_spec
from mmcr_core.config.run import (
    BudgetSpec,
    DatasetSpec,
    EncoderSpec,
    EvaluateSpec,
    OptimizerSpec,
    ProjectorSpec,
    RunSpec,
)
from mmcr_core.data.image_set import Images
from mmcr_core.training import Pretraining
from sweeps.execution.executor_settings import ExecutorSettings, compiles, compiles_network
from tests.benchmarks import measure
from tests.benchmarks.gpu.stage import Setting

SMALL: dict[str, Any] = {
    "encoder": EncoderSpec("convnet"),
    "projector": ProjectorSpec((32,)),
    "views": dataclasses.replace(VIEW_RECIPES["cifar10"], size=16),
}
FILE_IMAGES, FILE_SIDE = 640, 64  # the same file on a GPU and in a rehearsal


def cifar(setting: Setting, steps: int = 12, **changes: Any) -> RunSpec:
    """A CIFAR-shaped run of the convnet in fp32."""
    P = 64 if setting.real else 8
    base: dict[str, Any] = {"P": P, "D": P, "K": 2, "budget": BudgetSpec(steps=steps)}
    base |= SMALL | {"optimizer": OptimizerSpec(warmup=4), "evaluate": EvaluateSpec(1, "none")}
    base |= {"views": VIEW_RECIPES["cifar10"]} if setting.real else {}
    return run_spec(DatasetSpec("cifar10"), **(base | changes))


def paper(setting: Setting, P: int, D: int, K: int) -> RunSpec:
    """A cell of the paper's grid; in a rehearsal of the convnet, with P / 16 and views of 16 pixels."""
    spec = measure.stl10_cell(P, D, K)
    return spec if setting.real else dataclasses.replace(spec, P=P // 16, **SMALL)


def cifar_images(count: int = 2048) -> Images:
    """Smooth random images of CIFAR's shape."""
    pixels = smooth_pixels(count, 32).permute(0, 2, 1, 3).contiguous()
    labels = torch.arange(count) % 10
    return Images(pixels[:-512], labels[:-512], pixels[-512:], labels[-512:])


def stl10_images(setting: Setting) -> Images:
    """Random images of STL-10's shape on the device."""
    return measure.stl10_images(2048 if setting.real else 128).to(setting.device)


def trial_settings(setting: Setting, compile: str = "off") -> ExecutorSettings:
    """Of a cell of a grid that writes no checkpoint by itself and keeps no weights, without pydantic."""
    return ExecutorSettings(
        setting.device,
        checkpoint_seconds=1e6,
        keep="none",
        compiled=compiles(compile, setting.device),
        network_compiled=compiles_network(compile),
    )


def image_file(setting: Setting) -> Path:
    """A parquet file of small random JPEGs, written once a command."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    file = Path(setting.work) / "data" / "images.parquet"
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        encoded = []
        for pixels in smooth_pixels(FILE_IMAGES, FILE_SIDE).permute(0, 2, 3, 1).numpy():
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "JPEG", quality=90)
            encoded.append(stream.getvalue())
        pq.write_table(pa.table({"image": encoded, "label": [row % 10 for row in range(FILE_IMAGES)]}), file)
    return file


def smooth_pixels(count: int, side: int) -> torch.Tensor:
    """(count, 3, side, side) uint8, the same each time."""
    coarse = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    fine = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    return (255 * fine).to(torch.uint8)


def columns(run: Pretraining) -> dict[str, list[float]]:
    """Percent error and loss of each step from here to the end."""
    chunks = list(run.run())
    return {name: [x for c in chunks for x in c.columns[name].tolist()] for name in ("percent_error", "loss")}


def difference(one: list[float], other: list[float]) -> float:
    """The largest, relative where values exceed 1; NaN counts as infinite."""
    pairs = list(zip(one, other, strict=True))
    worst = max(abs(a - b) / max(1.0, abs(b)) for a, b in pairs)
    return worst if all(a - b == a - b for a, b in pairs) else float("inf")


def allocated(setting: Setting) -> int:
    """Bytes that live on the GPU, without the workspace of its matrix library, which belongs to the process."""
    if not setting.real:
        return 0
    torch.cuda.synchronize()
    torch._C._cuda_clearCublasWorkspaces()
    return torch.cuda.memory_allocated()
