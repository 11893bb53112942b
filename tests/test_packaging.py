"""What is shipped: the wheel, the citation file, the files of the hosting service."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

SHIPPED = ("pyproject.toml", "README.md", "LICENSE", "mmcr_sweeps.py", "mmcr_core", "sweeps", "analysis")
CHECKED = {
    "vendor.citation-file-format": ["CITATION.cff"],
    "vendor.github-issue-config": [".github/ISSUE_TEMPLATE/config.yml"],
    "vendor.github-issue-forms": [".github/ISSUE_TEMPLATE/bug.yml", ".github/ISSUE_TEMPLATE/feature.yml"],
    "vendor.github-workflows": [".github/workflows/test.yml"],
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The built wheel in an environment that has our libraries, but neither this checkout nor its editable install."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(["git", "ls-files", *SHIPPED], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        if (REPOSITORY / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((REPOSITORY / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "--quiet"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source]
    subprocess.run(wheel, check=True, capture_output=True)
    venv.create(folder / "env", symlinks=True)
    python = folder / "env/bin/python"
    subprocess.run(
        [*pip, "--python", python, "install", "--no-deps", next(folder.glob("*.whl"))], check=True, capture_output=True
    )
    (packages,) = (folder / "env/lib").glob("python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "env"


def run(environment, *arguments, **variables):
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [environment / "bin/mmcr-sweeps", *arguments]
    return subprocess.run(command, env=clean | variables, cwd=environment.parent, capture_output=True, text=True)


@pytest.mark.slow
def test_the_wheel_has_all_commands_and_grids(installed):
    assert "plot-scaling" in run(installed, "--help").stdout
    (grids,) = installed.glob("lib/python*/site-packages/sweeps/grids")
    assert {file.name for file in grids.iterdir()} == {file.name for file in (REPOSITORY / "sweeps/grids").iterdir()}
    planned = run(installed, "launch", grids / "quickstart.yaml", "--plan", "--json")
    assert planned.returncode == 0 and len(json.loads(planned.stdout)["cells"]) == 15, planned.stderr


@pytest.mark.slow
def test_another_package_in_the_place_of_ours_is_named(installed, tmp_path):
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps/__init__.py").touch()
    ran = run(installed, "--help", PYTHONPATH=str(tmp_path))
    says = f"mmcr-sweeps: {tmp_path / 'sweeps'} takes the place of its package 'sweeps'; rename it, or take its folder"
    assert (ran.returncode, ran.stdout) == (2, "") and ran.stderr.startswith(says) and ran.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_package_that_another_distribution_has_overwritten_is_named(installed):
    (file,) = installed.glob("lib/python*/site-packages/analysis/__init__.py")
    ours = file.read_bytes()
    try:
        file.write_text("")
        ran = run(installed, "--help")
    finally:
        file.write_bytes(ours)
    assert ran.returncode == 2 and f"another distribution has overwritten {file}" in ran.stderr
    assert run(installed, "--help").returncode == 0


@pytest.mark.parametrize("schema", CHECKED)
def test_files_for_others_follow_their_schemas(schema):
    command = [Path(sys.executable).parent / "check-jsonschema", "--builtin-schema", schema, *CHECKED[schema]]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout


def test_the_citation_and_the_change_log_name_this_version():
    import tomllib

    import yaml

    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())["version"] == version
    assert f"\n## {version}" in (REPOSITORY / "CHANGELOG.md").read_text()
