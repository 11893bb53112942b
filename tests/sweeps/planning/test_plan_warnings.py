"""What a plan warns of."""

from dataclasses import replace

from mmcr_core.config.run import ProjectorSpec
from sweeps.planning.plan_warnings import rank_warning


def test_a_plan_names_cells_that_the_projector_keeps_from_the_level(paper, digits_spec):
    assert rank_warning(paper) == ""
    narrow = tuple(replace(cell, projector=ProjectorSpec((512,))) for cell in paper)
    assert rank_warning(narrow).startswith(
        "3 of 75 cells cannot reach the uniform baseline: the last hidden layer of the projector bounds the "
        "rank of M (by 512 at P = 1024, D = 1024, where the baseline is 0.340 instead of 0.151); use projector: "
        "{hidden: [1024]} or more."
    )
