"""The report's section on images and text: figure, where objectives cross, table."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from analysis.comparisons import multimodal, multimodal_crossings
from analysis.figures import multimodal_figure
from analysis.pages.html_page import Picture, embed
from analysis.sweep_analysis import SweepAnalysis


class ImagesAndText(NamedTuple):
    """What the report has of image-text pairs."""

    pictures: list[Picture]
    sentences: list[str]
    measures: pd.DataFrame


def images_and_text(analysis: SweepAnalysis, folder: Path) -> ImagesAndText | None:
    """Drawn into `folder`; None where neither zero-shot accuracy, retrieval nor the modality gap was measured."""
    measured = analysis.multimodal
    if measured.empty:
        return None
    compared, remark = multimodal.at_equal_images(measured)
    found, crossed = multimodal.over_batches(compared), multimodal_crossings.crossings(compared)
    drawn = multimodal_figure.multimodal_figures(compared, folder)
    notes = [f"Note: {remark}."] if remark else []
    return ImagesAndText(embed(drawn), notes + multimodal_crossings.describe_crossings(crossed), found)
