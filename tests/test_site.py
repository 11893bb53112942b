"""The site of the documentation: it is built without a warning, and its search finds what strangers ask for."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytest.importorskip("mkdocs", reason="the extra docs is not installed")
QUESTIONS = {
    "interruptions crashes": "running_sweeps",
    "slurm array": "clusters",
    "custom objective": "extending",
    "time limit": "running_sweeps",
    "nearest neighbor accuracy": "measures",
    "barlow twins": "objectives",
    "power law irreducible": "analysis",
    "double descent peak": "results",
    "parquet files": "results_store",
    "adaptive until": "adaptive_sweeps",
    "webdataset tar": "shards",
    "clip siglip": "multimodal",
    "learning rate": "config_reference",
    "recommend flops": "commands",
    "nuclear norm": "python_api",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return folder


def test_nothing_is_fetched_from_elsewhere(site):
    fetched = re.compile(r"""(?:<script[^>]*src|<link[^>]*rel="stylesheet"[^>]*href|<img[^>]*src)=["']?(https?:|//)""")
    pages = list(site.glob("*.html"))
    assert len(pages) > 20 and [page.name for page in pages if fetched.search(page.read_text())] == []


@pytest.mark.parametrize("question", QUESTIONS)
def test_search_finds_what_a_stranger_asks_for(question, site):
    index = json.loads((site / "search/search_index.json").read_text())
    words = question.split()
    found = {
        Path(section["location"].partition("#")[0]).stem
        for section in index["docs"]
        if all(word in f"{section['title']} {section['text']}".lower() for word in words)
    }
    assert QUESTIONS[question] in found
