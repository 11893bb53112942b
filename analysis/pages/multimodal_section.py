"""The report's section on images and text: figure, where objectives cross, table."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from analysis.comparisons import multimodal, multimodal_crossings
from analysis.figures import multimodal_figure
from analysis.pages.html_page import images, paragraph, section, table
from analysis.sweep_analysis import SweepAnalysis

READING = (
    "At the end of runs that saw equally many images; bands: 95 % over seeds, Student's t. Recall is the mean of image "
    "to text and text to image. A batch size where objectives cross is that of straight lines over log2 P, and its "
    "interval holds the sizes where paired seeds cannot tell the two apart."
)


class ImagesAndText(NamedTuple):
    """What the report has of image-text pairs: sections and the figures' names; both empty for other sweeps."""

    sections: list[str]
    pictures: list[str]


def images_and_text(analysis: SweepAnalysis, folder: Path) -> ImagesAndText:
    """Draw into `folder`, where zero-shot accuracy, retrieval or the modality gap was measured."""
    measured = analysis.multimodal
    if measured.empty:
        return ImagesAndText([], [])
    compared, remark = multimodal.at_equal_images(measured)
    found, crossed = multimodal.over_batches(compared), multimodal_crossings.crossings(compared)
    drawn = multimodal_figure.multimodal_figures(found, folder)
    words = [f"Note: {remark}."] if remark else []
    words += multimodal_crossings.describe_crossings(crossed)
    content = paragraph(READING) + images(drawn) + "".join(map(paragraph, words)) + table(found)
    return ImagesAndText([section("Images and text", content)], [path.stem for path in drawn])
