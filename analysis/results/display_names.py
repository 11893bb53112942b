"""What figures and pages call objectives, settings and measures."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

OBJECTIVES = {
    "mmcr": "MMCR",
    "alignment": "Alignment (control)",
    "barlow_twins": "Barlow Twins",
    "byol": "BYOL",
    "clip": "CLIP",
    "frossl": "FroSSL",
    "mcr2": "MCR²",
    "siglip": "SigLIP",
    "simclr": "SimCLR",
    "swav": "SwAV",
    "vicreg": "VICReg",
}
DATASETS = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "folder": "images in folders",
    "parquet": "images in parquet files",
    "shards": "image-text shards",
    "stl10": "STL-10",
}
ENCODERS = {"resnet18": "ResNet-18", "resnet34": "ResNet-34", "resnet50": "ResNet-50", "towers": "a dual encoder"}
SETTINGS = {"dataset.limit": "N = {} images"}  # else the last part of the key
QUANTITIES = ("measure", "quantity")  # columns of names of measures, perhaps with what they were measured of
LABELS = ("variant", "against", "less", "ahead_below")  # columns of labels of variants
MEASURES = {
    "percent_error": "pretraining percent error",
    "heldout_percent_error": "held-out percent error",
    "knn_accuracy": "kNN accuracy",
    "mutual_information_bound": "mutual information bound",
    "zero_shot_top1": "zero-shot top-1",
    "zero_shot_top5": "zero-shot top-5",
    "recall_1": "recall at 1",
    "recall_5": "recall at 5",
    "recall_10": "recall at 10",
}


def objective_of(variant: str) -> str:
    """The objective's name of a label that `variants` made."""
    return variant.split(", ", 1)[0]


def variant_name(variant: str) -> str:
    """A label of `variants` for people: `simclr, objective.temperature=0.5` is `SimCLR, temperature = 0.5`."""
    objective, *settings = variant.split(", ")
    return ", ".join([OBJECTIVES.get(objective, objective), *map(_setting, settings)])


def variant_names(variants: Iterable[str]) -> str:
    """Several labels of `variants` for people, in a sentence."""
    return ", ".join(map(variant_name, variants))


def with_names(table: pd.DataFrame) -> pd.DataFrame:
    """A table for people: labels of variants as `variant_name`, measures as `quantity_name`."""
    names = dict.fromkeys(LABELS, variant_name) | dict.fromkeys(QUANTITIES, quantity_name)
    return table.assign(
        **{key: table[key].map(made, na_action="ignore") for key, made in names.items() if key in table}
    )


def quantity_name(quantity: str) -> str:
    """A measure for people: `knn_accuracy, 5 labels a class` is `kNN accuracy, 5 labels a class`."""
    name, _, subject = quantity.partition(", ")
    return measure_name(name, subject)


def _setting(text: str) -> str:
    key, equal, value = text.partition("=")
    named = SETTINGS.get(key, key.rsplit(".", 1)[-1].replace("_", " ") + " = {}")
    return named.format(value) if equal else text


def measure_name(name: str, subject: str = "") -> str:
    """A measure for people, with what it was measured of."""
    return MEASURES.get(name, name.replace("_", " ")) + (f", {subject}" if subject else "")
