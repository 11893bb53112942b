"""What a run's row says of the code that ran it."""

import subprocess

import pytest

from sweeps.execution.run_metadata import git_commit


@pytest.fixture
def checkout(tmp_path):
    """A repository with one source file of each package, and git in it."""

    def git(*arguments):
        names = ("-c", "user.name=n", "-c", "user.email=e")
        return subprocess.run(["git", "-C", tmp_path, *names, *arguments], check=True, capture_output=True, text=True)

    for name in ("mmcr_core/__init__.py", "sweeps/execution/run_metadata.py", "sweeps/grids/g.yaml", "notes.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    git_commit.cache_clear()
    yield tmp_path, git("rev-parse", "HEAD").stdout.strip()
    git_commit.cache_clear()


@pytest.mark.parametrize(
    ("changed", "dirty"),
    [
        (None, ""),
        ("notes.md", ""),
        ("sweeps/grids/g.yaml", ""),
        ("results/x.py", ""),
        ("mmcr_core/__init__.py", "-dirty"),
        ("sweeps/execution/new.py", "-dirty"),
    ],
)
def test_dirty_is_a_change_of_a_source_file(checkout, changed, dirty):
    root, commit = checkout
    if changed:
        (root / changed).parent.mkdir(exist_ok=True)
        (root / changed).write_text("x = 2\n")
    assert git_commit(root) == commit + dirty


def test_a_repository_of_somebody_else_is_not_the_codes(checkout, tmp_path):
    (tmp_path / "venv").mkdir()
    assert git_commit(tmp_path / "venv") == "unknown"
