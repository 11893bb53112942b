"""Model and data cards: Markdown with the YAML front matter that the Hugging Face Hub reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from mmcr_core.config.run import RunSpec
from sweeps.config.axes import stored_keys, text_of, varying_keys
from sweeps.exporting.model_config import timm_arguments_of
from sweeps.exporting.state_names import FILES, MODEL, PROJECTOR, has_projector

Row = dict[str, Any]
AXES = ("P", "D", "K", "seed")
PROVENANCE = ("run_id", "sweep", "git_commit", "device", "started_at", "finished_at", "wall_seconds")
LOADING = {
    "torchvision": """import torch
from safetensors.torch import load_file
from torchvision.models import {name}

network = {name}(num_classes=1)
network.fc = torch.nn.Identity(){stem}
network.load_state_dict(load_file("model.safetensors"))""",
    "timm": """import timm

network = timm.create_model("{model}", {arguments}, checkpoint_path="model.safetensors")""",
    "open_clip": """import open_clip

network, _, preprocess = open_clip.create_model_and_transforms("local-dir:.")""",
}
SMALL = (
    "\nnetwork.conv1 = torch.nn.Conv2d({channels}, 64, 3, padding=1, bias=False)\nnetwork.maxpool = torch.nn.Identity()"
)
CHANNELS = "\nnetwork.conv1 = torch.nn.Conv2d({channels}, 64, 7, stride=2, padding=3, bias=False)"


def model_card(spec: RunSpec, row: Row, measures: Sequence[Row], form: str) -> str:
    """The card of a run's network: what it is, its numbers with their intervals, how to load it, where it is from."""
    title = f"{row['sweep']}-{row['run_id']}"
    metrics = [
        {"type": "accuracy" if one["name"].endswith("accuracy") else one["name"], "name": _named(one), "value": value}
        for one in measures
        if (value := one["value"]) is not None
    ]
    dataset = {"name": spec.dataset.name, "type": spec.dataset.name}
    task = {"type": "zero-shot-image-classification" if form == "open_clip" else "image-feature-extraction"}
    front: dict[str, Any] = {
        "library_name": form if form in LOADING else "pytorch",
        "pipeline_tag": task["type"],
        "tags": ["self-supervised", spec.objective.name, "mmcr-sweeps"],
        "model-index": [{"name": title, "results": [{"task": task, "dataset": dataset, "metrics": metrics}]}],
    }
    if not metrics:
        del front["model-index"]
    numbers = [[_named(one), _number(one["value"]), _interval(one), one["count"]] for one in measures]
    pretraining = ["pretraining percent error", _number(row["percent_error"]), "", ""]
    versions = json.loads(row["versions"] or "{}")
    parts = [
        f"# {title}",
        f"{spec.encoder.model or spec.encoder.name}, pretrained with {spec.objective.name} on {spec.dataset.name} for "
        f"{row['steps']:,} steps of P = {spec.P} images, in D = {spec.D} dimensions, with K = {spec.K} views of each.",
        "## Numbers",
        _table(["measure", "value", "95% interval", "batches or images"], [pretraining, *numbers]),
        "## Loading",
        f"{_loaded(spec)}, with images prepared as in training:\n\n```py\n{_ours()}\n```",
        *_elsewhere(spec, form),
        "## Provenance",
        _table(
            ["", ""],
            [[key, row[key]] for key in PROVENANCE]
            + [[key, value] for key, value in versions.items() if key not in row],
        ),
        "The whole run, every default written out, is `spec` in `config.json`.",
    ]
    return _with_front(front, parts)


def _loaded(spec: RunSpec) -> str:
    return "Encoder and projector" if has_projector(spec) else "The image encoder"


def _ours() -> str:
    return (
        'from sweeps.api import load_encoder\n\nfeatures = load_encoder("DIR").encode(images)     # (N, C, H, W) uint8'
    )


def _elsewhere(spec: RunSpec, form: str) -> list[str]:
    """How the library of a format loads the encoder; nothing where no other has it."""
    if form not in LOADING or (form == "torchvision" and spec.encoder.width not in (None, 64)):
        return []
    channels = len(spec.views.mean)
    stem = SMALL if spec.encoder.stem == "small" else CHANNELS if channels != 3 else ""
    name, model = spec.encoder.name, spec.encoder.model or spec.encoder.name
    given = timm_arguments_of(spec) if form == "timm" else {}
    arguments = ", ".join(f"{key}={value!r}" for key, value in given.items())
    code = LOADING[form].format(name=name, model=model, arguments=arguments, stem=stem.format(channels=channels))
    file = FILES.get(form, MODEL)
    beside = f" (the projector is in `{PROJECTOR}`)" if has_projector(spec) else ""
    return [f"The encoder alone, `{file}`, by {form}{beside}:\n\n```py\n{code}\n```"]


def data_card(name: str, rows: Sequence[Row], files: dict[str, str]) -> str:
    """The card of a sweep's tables; `files`: table -> its file's path."""
    front = {
        "pretty_name": f"{name}: runs of a pretraining sweep",
        "tags": ["self-supervised", "scaling-laws", "mmcr-sweeps"],
        "configs": [
            {"config_name": table, "data_files": file} | ({"default": True} if table == "runs" else {})
            for table, file in files.items()
        ],
    }
    statuses = sorted({row["status"] for row in rows})
    counted = [[status, sum(row["status"] == status for row in rows)] for status in statuses]
    values = [
        [key, ", ".join(map(str, sorted({row[key] for row in rows})))] for key in ("objective", "dataset", "encoder")
    ]
    values += [[key, ", ".join(map(str, sorted({row[key] for row in rows})))] for key in AXES]
    runs = [stored_keys(row["spec"]) for row in rows if row["spec"]]
    for key in varying_keys(runs) if runs else ():
        if key not in (*AXES, "objective.name", "dataset.name", "encoder.name"):
            values.append([key, ", ".join(sorted({text_of(run, key) for run in runs}))])
    commits = sorted({row["git_commit"] for row in rows if row["git_commit"]})
    parts = [
        f"# {name}",
        "The tables of a sweep of self-supervised pretraining runs by mmcr-sweeps: `runs` has a row per run, "
        "`trajectories` a row per optimizer step, `measures` a row per number that was measured, with its interval.",
        "## Runs",
        _table(["status", "runs"], counted),
        _table(["setting", "values"], [*values, ["git_commit", ", ".join(commits)]]),
        "## Reading",
        '```py\nfrom analysis import open_results\n\nruns = open_results("DIR").runs()\n```',
        "Or with any reader of parquet:\n\n"
        f'```py\nimport pandas as pd\n\nsteps = pd.read_parquet("{files["trajectories"]}")\n```',
    ]
    return _with_front(front, parts)


def _with_front(front: dict[str, Any], parts: Sequence[str]) -> str:
    return f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n\n" + "\n\n".join(parts) + "\n"


def _named(measure: Row) -> str:
    return f"{measure['name']} ({measure['subject']})" if measure["subject"] else str(measure["name"])


def _interval(measure: Mapping[str, Any]) -> str:
    low, high = measure["low"], measure["high"]
    return "" if low is None else f"{_number(low)} to {_number(high)}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
