"""What a plan warns of."""

from dataclasses import replace

from mmcr_core.config.run import ProjectorSpec
from sweeps.config.settings import ResourceSettings
from sweeps.planning.machine import Machine
from sweeps.planning.plan import plan
from sweeps.planning.plan_warnings import memory_warning, rank_warning, recompute_remark


def test_a_plan_names_cells_that_the_projector_keeps_from_the_level(paper, digits_spec):
    assert rank_warning(paper) == ""
    narrow = tuple(replace(cell, projector=ProjectorSpec((512,))) for cell in paper)
    assert rank_warning(narrow).startswith(
        "3 of 75 cells cannot reach the uniform baseline: the last hidden layer of the projector bounds the "
        "rank of M (by 512 at P = 1024, D = 1024, where the baseline is 0.340 instead of 0.151); use projector: "
        "{hidden: [1024]} or more."
    )


def test_a_plan_says_what_recomputing_takes_and_which_cells_fit_only_with_it(paper):
    (large,) = [cell for cell in paper if (cell.P, cell.D, cell.K) == (1024, 1024, 8)]
    gpu = Machine(1, 8, 14 << 30, 5e14)
    (kept,), (again,) = (plan((large,), ResourceSettings(), gpu, recomputed=recomputed) for recomputed in (False, True))
    assert again.memory_bytes == kept.recompute_bytes < kept.memory_bytes == again.keep_bytes
    assert 1.2 < again.seconds / kept.seconds < 1.35
    assert "; memory: recompute makes 1 of them fit; else leave them out, use smaller P" in memory_warning([kept], gpu)
    assert memory_warning([again], gpu) == ""
    said = "memory: recompute takes 11.4 GiB instead of 15.7 GiB"
    at = "at P = 1024, D = 1024, K = 8, by estimate."
    assert recompute_remark([kept], "keep") == f"{said} {at}"
    assert recompute_remark([again], "recompute") == f"{said} without it {at}"


def test_recomputing_that_saves_nothing_is_said_to_those_who_asked_for_it(paper):
    (cell,) = plan(paper[:1], ResourceSettings(), Machine(0, 2, 0, 1e11, 1 << 40))
    same = replace(cell, recompute_bytes=cell.keep_bytes)
    few = replace(cell, keep_bytes=1 << 20, recompute_bytes=700_000)
    assert recompute_remark([few], "keep") == ""  # both are shown as 1 MiB
    assert recompute_remark([same], "keep") == "" and " without it " in recompute_remark([same], "recompute")


def test_where_nothing_can_be_recomputed_nothing_is_said_of_it(digits_spec):
    cells = plan((digits_spec(P=512),), ResourceSettings(), small := Machine(0, 2, 0, 1e11, 1 << 20))
    assert cells[0].recompute_bytes is None and recompute_remark(cells, "keep") == ""
    assert "recompute" not in memory_warning(cells, small)
