"""The command that compares objectives on image-text pairs, and the report's section on them."""

import re

import pandas as pd
import pytest
from PIL import Image

from analysis import open_results
from analysis.pages.claims_section import judged_claims
from analysis.pages.multimodal_section import images_and_text
from analysis.sweep_analysis import SweepAnalysis
from analysis.verdicts.registry import Judgment, all_claims
from analysis.verdicts.verdict import Decision, Verdict
from sweeps.storage.sweep_store import Store
from tests import synthetic
from tests.conftest import invoke
from tests.synthetic import pairs_objective, write_pairs


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Two objectives, two D, three batch sizes, two seeds."""
    store = Store(tmp_path_factory.mktemp("multimodal"))
    for name in ("clip", "mmcr"):
        for D in (32, 64):
            for P in (32, 256, 1024):
                for seed in (0, 1):
                    write_pairs(store, pairs_objective(name), P, D, seed, spread=0.0005)
    return store.root


@pytest.mark.usefixtures("pdf_too")
def test_a_figure_tables_and_crossings_are_made(sweep, tmp_path):
    ran = invoke("plot_multimodal", sweep, "--width", "column", "-o", tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert {path.name for path in tmp_path.glob("multimodal*")} == {
        "multimodal_0.png", "multimodal_0.pdf", "multimodal_1.png", "multimodal_1.pdf", "multimodal.csv",
        "multimodal_crossings.csv",
    }  # fmt: skip
    assert "zero-shot top-1 on glyphs, D = 32, K = 2, MMCR against CLIP: they cross at P = 2" in ran.stdout
    assert "note" not in ran.stderr
    image = Image.open(tmp_path / "multimodal_0.png")
    assert image.width / image.info["dpi"][0] == pytest.approx(3.25, abs=0.01)
    table = pd.read_csv(tmp_path / "multimodal.csv")
    assert len(table) == 2 * 2 * 3 * 13 and (table["seeds"] == 2).all()  # 9 measured, 3 means of directions, the error
    assert pd.read_csv(tmp_path / "multimodal_crossings.csv")["kind"].tolist() == ["once"] * 6


def test_each_size_has_a_figure_and_other_budgets_are_named(tmp_path):
    store = Store(tmp_path / "budgets")
    for D in (32, 64):
        for P in (32, 64):
            write_pairs(store, pairs_objective("siglip"), P, D, left_out=("zero_shot", "modality"))
    write_pairs(store, pairs_objective("siglip"), 32, images=32768)
    ran = invoke("plot_multimodal", store.root)
    assert ran.returncode == 0, ran.stderr
    assert {path.name for path in (store.root / "figures").glob("*.png")} == {"multimodal_0.png", "multimodal_1.png"}
    assert "of 5 runs the 4 with 8,192 images" in ran.stderr and " cross " not in ran.stdout


def test_a_sweep_without_such_measures_is_one_sentence_that_names_them(tmp_path):
    store = synthetic.write_sweep(tmp_path / "images", (64,), (2,), steps=40)
    ran = invoke("plot_multimodal", store.root)
    assert ran.returncode == 2 and len(ran.stderr.splitlines()) == 1
    assert "evaluate: {measures: [zero_shot, retrieval, modality_gap]}" in ran.stderr
    assert not (store.root / "figures").exists()


def test_the_report_has_the_section_and_judges_the_claim_once_for_the_whole_sweep(tmp_path):
    store = Store(tmp_path / "small")
    for name in ("clip", "mmcr"):
        for P in (128, 1024):
            for seed in (0, 1):
                write_pairs(store, pairs_objective(name), P, seed=seed, spread=0.0005)
    ran = invoke("report", store.root)
    assert ran.returncode == 0, ran.stderr
    page = (store.root / "report.html").read_text()
    assert "<h2>Images and text</h2>" in page and "id='multimodal'" in page and "they cross at P = 2" in page
    assert len(re.findall(r"<strong>MMCR ahead of CLIP</strong>", page)) == 1
    assert "href='#multimodal'" in page and "<summary>MMCR: " in page


def test_the_report_of_images_alone_has_neither_section_nor_claim(tmp_path):
    results = open_results(synthetic.write_sweep(tmp_path / "images", (64,), (2,), steps=40).root)
    assert images_and_text(SweepAnalysis(results), tmp_path / "figures") is None
    assert not (tmp_path / "figures").exists()


def test_a_claim_that_was_not_tested_says_so_in_the_report():
    claim = next(claim for claim in all_claims() if claim.figures == ("multimodal",))
    judged = Judgment(claim, Verdict(Decision.NOT_TESTED, explanation="No runs."))
    (shown,) = judged_claims([judged], ["multimodal"])
    assert shown.name == claim.name and shown.statement.endswith("P < 512")
    assert shown.decision.label == "not tested" and shown.reasoning == "No runs."
    assert shown.figures == ["multimodal"]
