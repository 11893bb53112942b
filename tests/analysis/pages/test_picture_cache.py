"""Pictures of a report are drawn once for the same content and the same code."""

import shutil

import pytest

from analysis.pages import picture_cache
from analysis.pages.picture_cache import KeptPictures
from analysis.results.results import open_results
from analysis.sweep_analysis import SweepAnalysis
from tests.synthetic import write_sweep


@pytest.fixture
def root(tmp_path):
    return write_sweep(tmp_path / "one", (64,), (2,), steps=20).root


def draw_into(root, folder, drawn, group="descent"):
    """The pictures of a group as one report has them; `drawn` gets the group if it was drawn."""
    folder.mkdir(exist_ok=True)
    pictures = KeptPictures(SweepAnalysis(open_results(root)), folder)

    def draw(place):
        drawn.append(group)
        (place / f"{group}.png").write_bytes(f"{group} {len(drawn)}".encode())
        return [place / f"{group}.png"]

    paths = pictures.of(group, draw)
    pictures.keep()
    return [path.read_bytes() for path in paths]


def test_a_group_is_drawn_once(root, tmp_path):
    drawn = []
    first = [draw_into(root, tmp_path / "a", drawn, group) for group in ("descent", "scaling")]
    again = [draw_into(root, tmp_path / "b", drawn, group) for group in ("descent", "scaling")]
    assert drawn == ["descent", "scaling"] and again == first == [[b"descent 1"], [b"scaling 2"]]


def test_other_code_draws_anew(root, tmp_path, monkeypatch):
    drawn = []
    draw_into(root, tmp_path / "a", drawn)
    monkeypatch.setattr(picture_cache, "code_digest", lambda: "another")
    assert draw_into(root, tmp_path / "b", drawn) == [b"descent 2"]
    assert draw_into(root, tmp_path / "c", drawn) == [b"descent 2"] and len(drawn) == 2


def test_other_content_is_drawn_anew(root, tmp_path):
    drawn = []
    draw_into(root, tmp_path / "a", drawn)
    shutil.copytree(write_sweep(tmp_path / "two", (128,), (2,), steps=20).root, root, dirs_exist_ok=True)
    assert draw_into(root, tmp_path / "b", drawn) == [b"descent 2"]
