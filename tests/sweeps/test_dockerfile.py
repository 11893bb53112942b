"""The Dockerfile, what it may copy, and the cluster files name the same paths and versions. Nothing is built."""

import re
import shlex
import subprocess
import sys
import tomllib

import yaml

from tests.conftest import REPOSITORY

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", "")
JOB = yaml.safe_load((REPOSITORY / "sweeps/cluster/kuberay.yaml").read_text())["spec"]
CLUSTER = JOB["rayClusterSpec"]
ENTRYPOINT = shlex.split(JOB["entrypoint"])


def runs():
    return re.findall(r"^RUN (.*)$", DOCKERFILE, re.M)


def copied():
    """Top-level names that .dockerignore lets through."""
    lines = (REPOSITORY / ".dockerignore").read_text().split()
    assert lines[0] == "*"
    return {line[1:] for line in lines if line.startswith("!")}


def test_the_job_starts_files_that_the_image_has():
    (folder,) = re.findall(r"^WORKDIR (.*)$", DOCKERFILE, re.M)
    inside = [word for word in ENTRYPOINT if word.startswith(f"{folder}/")]
    assert len(inside) == 2
    for word in inside:
        file = word.removeprefix(f"{folder}/")
        assert (REPOSITORY / file).is_file()
        assert file.split("/")[0] in copied()


def test_the_image_has_all_that_the_package_needs():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    needed = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"], *packages}
    assert copied() == needed
    assert all((REPOSITORY / name).exists() for name in needed)


def test_results_and_data_lie_on_the_volume_that_all_pods_mount():
    groups = [CLUSTER["headGroupSpec"], *CLUSTER["workerGroupSpecs"]]
    containers = [group["template"]["spec"]["containers"][0] for group in groups]
    (mount,) = {volume["mountPath"] for container in containers for volume in container["volumeMounts"]}
    assert ENTRYPOINT[ENTRYPOINT.index("--results") + 1].startswith(f"{mount}/")
    assert f"ln -s {mount}/data data" in runs()[-1]
    assert {container["image"] for container in containers} == {"IMAGE"}


def test_the_libraries_are_those_of_the_project_with_the_ray_of_the_job(tmp_path):
    (command,) = re.findall(r"python -c '(.*?)'", DOCKERFILE)
    (tmp_path / "pyproject.toml").write_text((REPOSITORY / "pyproject.toml").read_text())
    ran = subprocess.run([sys.executable, "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
    wanted = ran.stdout.split("\n")[:-1]
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert set(project["dependencies"]) < set(wanted)
    assert f"ray[default]=={CLUSTER['rayVersion']}" in wanted


def test_what_kuberay_and_compilation_need_is_installed():
    assert {"wget", "g++"} <= set(runs()[0].split())


def test_recipes_name_files_of_the_project():
    for recipe in (REPOSITORY / "sweeps/cluster").iterdir():
        for file in re.findall(r"\b(?:sweeps|analysis)/[\w/-]+\.\w+", recipe.read_text()):
            assert (REPOSITORY / file).is_file(), f"{recipe.name}: {file}"
