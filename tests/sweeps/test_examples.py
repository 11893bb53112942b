"""Each example of an extension runs by the commands of its README, in a folder that has the examples: as they stand
under Ray, or faster cell by cell in this process."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from analysis import open_results
from mmcr_core.objectives import make_objective
from sweeps.config.grid_file import load_grid
from tests.conftest import REPOSITORY, invoke

EXAMPLES = sorted(page.parent.name for page in (REPOSITORY / "examples").glob("*/README.md"))


@pytest.fixture(params=["cells", pytest.param("ray", marks=pytest.mark.slow)])
def play(request, tmp_path, monkeypatch):
    """Runs the commands of an example's README; what each printed."""
    shutil.copytree(REPOSITORY / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))

    def launch(grid):
        if request.param == "ray":
            return invoke("sweeps.launch", grid, "--address", request.getfixturevalue("ray_address"))
        cells = range(len(load_grid(Path(grid)).cells))
        return max((invoke("sweeps.launch", grid, "--cell", i) for i in cells), key=lambda ran: ran.returncode)

    def run(name):
        lines = re.search(r"^```\n(.*?)^```$", Path("examples", name, "README.md").read_text(), re.S | re.M)[1]
        printed = []
        for python, script, *arguments in map(shlex.split, lines.replace("\\\n", "").splitlines()):
            assert python == ".venv/bin/python"
            package, command = Path(script).parent.name, Path(script).stem
            if package == name:
                ran = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True)
            else:
                ran = launch(*arguments) if command == "launch" else invoke(f"{package}.{command}", *arguments)
            assert ran.returncode == 0, ran.stderr
            printed.append(ran.stdout)
        return printed

    return run


def test_each_example_is_one_short_file_a_grid_and_a_readme():
    assert EXAMPLES == ["own_analysis", "own_dataset", "own_objective"]
    for name in EXAMPLES:
        folder = REPOSITORY / "examples" / name
        (code,) = folder.glob("*.py")
        assert 30 <= len(code.read_text().splitlines()) <= 60
        assert len((folder / "README.md").read_text().splitlines()) <= 15 and (folder / "grid.yaml").is_file()


def test_the_example_of_an_objective(play):
    *_, table = play("own_objective")
    runs = open_results("results/own-objective").runs()
    assert len(runs) == 3 and (runs["status"] == "finished").all()
    assert (runs["objective"] == "align_uniform:AlignUniform").sum() == 2
    assert "│    0.5 │" in table and Path("results/own-objective/figures/plane.png").exists()


def test_its_loss_is_the_published_one(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "examples/own_objective")
    z = torch.randn(6, 3, 5, generator=torch.Generator().manual_seed(0))
    u = torch.nn.functional.normalize(z, dim=2)
    pairs = [(0, 1), (0, 2), (1, 2)]
    alignment = torch.stack([(u[:, k] - u[:, other]).square().sum(dim=1).mean() for k, other in pairs]).mean()
    uniformity = torch.stack([torch.pdist(u[:, k]).square().mul(-2).exp().mean().log() for k in range(3)]).mean()
    found = make_objective("align_uniform:AlignUniform", dims=5, uniformity_weight=0.5).loss(z)
    torch.testing.assert_close(found, alignment + 0.5 * uniformity)


def test_the_example_of_a_data_set(play):
    written, *_ = play("own_dataset")
    assert written == "400 images in data/gratings.parquet\n"
    runs = open_results("results/own-dataset").runs()
    assert sorted(runs["P"]) == [16, 32] and (runs["status"] == "finished").all()
    assert set(runs["dataset_images"]) == {320} and (runs["probe_accuracy"] > 0.25).all()  # of four classes


def test_the_example_of_an_analysis(play):
    *_, printed = play("own_analysis")
    assert printed.startswith("P = 32, D = 16, K = 2: best learning rate ")
    assert Image.open(printed.splitlines()[-1]).size == (900, 600)
