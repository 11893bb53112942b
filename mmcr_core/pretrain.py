"""`python -m mmcr_core.pretrain`: one cell without Ray or a store, its result printed as JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import replace
from typing import Any, get_args

import torch

from mmcr_core.defaults import VIEW_RECIPES, run_spec
from mmcr_core.identity import run_id
from mmcr_core.images.datasets import describe_skipped
from mmcr_core.objectives import OBJECTIVES, objective_spec
from mmcr_core.spec import (
    MEASURES,
    RESNETS,
    TOWERS,
    BudgetSpec,
    DatasetName,
    DatasetSpec,
    EncoderSpec,
    EvaluateSpec,
    OptimizerSpec,
    RunSpec,
    SpecError,
)
from mmcr_core.theory import collapse
from mmcr_core.training import CaptureFailed, Diverged, Pretraining
from mmcr_core.training.data import DatasetError, content_digest, require_present
from mmcr_core.training.fresh_process import become

EXAMPLE = "example: python -m mmcr_core.pretrain --P 64 --D 64 --K 2 --dataset digits --steps 200"


def main(arguments: list[str] | None = None) -> None:
    """Parse, train, print. Exit code 2 for bad input, 1 where the run diverged."""
    given = _parser().parse_args(arguments)
    try:
        spec = _spec(given)
        require_present(spec.dataset)
        if spec.dataset.by_content:  # as a grid does: the run is known by it, and loading verifies it
            spec = replace(spec, dataset=replace(spec.dataset, digest=content_digest(spec.dataset)))
        run = Pretraining(spec, given.device, graphs=not given.no_graphs)
    except SpecError as error:
        _fail(f"{error.key}: {error}")
    except (DatasetError, RuntimeError) as error:
        _fail(str(error))
    if run.source.skipped:
        print(describe_skipped(run.source.skipped), file=sys.stderr)
    seconds = 0.0
    errors: list[float] = []
    measured: dict[int, dict[str, float | None]] = {}
    due = spec.evaluate.steps(run.steps)
    try:
        for stop in sorted({*due, run.steps}):
            began = time.perf_counter()
            for chunk in run.run(until=stop):
                errors += chunk.columns["percent_error"].tolist()
                print(f"step {chunk.step_last + 1}/{run.steps}: percent error {errors[-1]:.4f}", file=sys.stderr)
            seconds += time.perf_counter() - began
            if stop in due:
                measured[stop] = {each.title: each.value for each in run.evaluate()}
    except Diverged as error:
        print(f"diverged: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except CaptureFailed as error:
        print(f"{error}; it is trained in a fresh process without graphs", file=sys.stderr)
        again = sys.argv[1:] if arguments is None else arguments
        become(["-m", "mmcr_core.pretrain", *again, "--no-graphs"], os.environ)
    tail = errors[-max(1, round(0.05 * len(errors))) :]
    result = {
        "run_id": run_id(spec),
        "percent_error": sum(tail) / len(tail),
        **measured.pop(run.steps, {}),
        **({"earlier": measured} if measured else {}),
        **({"alarm": alarm} if (alarm := collapse(run.recent("uniformity"), spec.P, spec.D)) else {}),
        "steps": run.steps,
        "images": run.steps * spec.P,
        "flops": float(run.steps * run.flops_per_step),
        "wall_seconds": round(seconds, 3),
        "images_per_second": round(run.steps * spec.P / seconds, 1),
        "device": str(run.device),
    }
    print(json.dumps(result, indent=2))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mmcr_core.pretrain",
        description="Pretrain one cell and print its result.",
        epilog=EXAMPLE,
    )
    add = parser.add_argument
    add("--P", type=int, required=True, help="points: images a batch")
    add("--D", type=int, required=True, help="dims: embedding dimensions")
    add("--K", type=int, required=True, help="views an image")
    add("--dataset", required=True, choices=get_args(DatasetName))
    add("--path", help="folder, parquet file or shards")
    add(
        "--pairs",
        action="store_true",
        help="images and captions of a parquet file (glyphs and shards are pairs anyway)",
    )
    add("--root", default="./data", help="folder of a named data set (default ./data)")
    add("--split", help="default: train, for stl10 train+unlabeled")
    add("--download", action="store_true", help="fetch a named data set that is absent")
    add("--size", type=int, help="pixels at which folder and parquet images are kept")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--epochs", type=float)
    budget.add_argument("--steps", type=int)
    budget.add_argument("--images", type=int)
    add("--seed", type=int, default=0)
    add("--objective", choices=list(OBJECTIVES), default="mmcr", help="with its published options (default mmcr)")
    add("--encoder", choices=[*RESNETS, "convnet", TOWERS], help="default: fits the data set")
    add("--stem", choices=["imagenet", "small"])
    add("--width", type=int, help="of a ResNet's first stage (default 64)")
    add("--views", choices=sorted(VIEW_RECIPES), help="default: fits the data set")
    add("--optimizer", choices=["adam", "adamw", "sgd", "lars"], default="adam")
    add("--learning-rate", type=float, default=1e-3)
    add("--schedule", choices=["constant", "cosine"], default="constant")
    add("--precision", choices=["fp32", "bf16"], default="fp32")
    add("--probe", choices=["none", "knn", "linear"], default="knn")
    add("--measures", nargs="+", default=[], choices=MEASURES, help="what else is measured: docs/measures.md")
    add("--at", nargs="+", type=float, default=[1.0], help="fractions of the run at which is measured (default 1)")
    add("--labels-per-class", type=int, help="probes also with so many labels of a class")
    add("--no-graphs", action="store_true", help="on a GPU: run steps eagerly, not as CUDA graphs")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser


def _spec(given: argparse.Namespace) -> RunSpec:
    split = given.split or ("train+unlabeled" if given.dataset == "stl10" else "train")
    dataset = DatasetSpec(
        given.dataset,
        split=split,
        root=given.root,
        path=given.path,
        download=given.download,
        size=given.size,
        pairs=given.pairs,
    )
    chosen: dict[str, Any] = {}
    if given.encoder or given.stem or given.width:
        chosen["encoder"] = EncoderSpec(given.encoder or "resnet18", given.stem, given.width)
    if given.objective != "mmcr":
        chosen["objective"] = objective_spec(given.objective)
    if given.views:
        chosen["views"] = VIEW_RECIPES[given.views]
    return run_spec(
        dataset,
        P=given.P,
        D=given.D,
        K=given.K,
        budget=BudgetSpec(given.epochs, given.steps, given.images),
        seed=given.seed,
        optimizer=OptimizerSpec(given.optimizer, learning_rate=given.learning_rate, schedule=given.schedule),
        precision=given.precision,
        evaluate=EvaluateSpec(
            probe=given.probe,
            measures=tuple(given.measures),
            at=tuple(given.at),
            labels_per_class=given.labels_per_class,
        ),
        **chosen,
    )


def _fail(problem: str) -> None:
    print(f"error: {problem}", file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    main()
