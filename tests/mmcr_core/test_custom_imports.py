"""A user's own code: where it is looked for, what it is known by, what each mistake says."""

import hashlib
import os
import sys

import pytest

from mmcr_core import custom_imports
from mmcr_core.config.run import CustomObjectiveSpec, SpecError
from mmcr_core.objectives import build_objective, make_objective, objective_spec
from tests.custom_components import SOURCE, write_own


@pytest.fixture(autouse=True)
def _folders(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(custom_imports, "_FOLDERS", [])
    custom_imports.look_in(tmp_path)


def test_a_module_is_found_in_the_folders_told_and_known_by_its_file(tmp_path):
    name = write_own(tmp_path)
    assert custom_imports.load(f"{name}:number") == 7
    assert custom_imports.source_digest(f"{name}:net") == hashlib.sha256(SOURCE.encode()).hexdigest()[:16]


def test_what_python_finds_anyway_comes_first(tmp_path):
    (tmp_path / "textwrap.py").write_text("dedent = None")
    assert custom_imports.load("textwrap:dedent") is not None


def test_modules_of_a_package_whose_script_runs_do_not_hide_a_users(tmp_path):
    """As with `python sweeps/launch.py` and networks.py beside a grid: sweeps/ is then the first place to look."""
    for folder, files in (("a_package", ("__init__", "own_like_a_door")), ("user", ("own_like_a_door",))):
        (tmp_path / folder).mkdir()
        for file in files:
            (tmp_path / folder / f"{file}.py").write_text(f"number = '{folder}'")
    sys.path.insert(0, str(tmp_path / "a_package"))
    custom_imports.look_in(tmp_path / "user")
    assert custom_imports.load("own_like_a_door:number") == "user"


def test_the_digest_is_of_what_was_imported_and_not_of_what_the_file_has_become(tmp_path):
    name = write_own(tmp_path)
    before = custom_imports.source_digest(f"{name}:net")
    (tmp_path / f"{name}.py").write_text("number = 8")
    assert custom_imports.source_digest(f"{name}:net") == before
    assert custom_imports.load(f"{name}:number", before) == 7


def test_other_processes_look_where_this_one_found_it(tmp_path):
    package = tmp_path / "elsewhere" / "own_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text("number = 3")
    sys.path.append(str(tmp_path / "elsewhere"))
    assert custom_imports.load("own_package.inner:number") == 3
    assert {str(tmp_path), str(tmp_path / "elsewhere")} <= set(custom_imports.folders())


def test_another_source_than_planned_is_refused_by_name(tmp_path):
    name = write_own(tmp_path)
    with pytest.raises(SpecError, match=rf"is not what was planned: .*{name}.py on .* planned was 00aa; make the"):
        custom_imports.load(f"{name}:net", "00aa")


@pytest.mark.parametrize(
    ("source", "named", "says"),
    [
        (SOURCE, "no_such_module:Pull", "there is no module 'no_such_module'; put no_such_module.py into"),
        (SOURCE, "no_such.module:Pull", "there is no module 'no_such.module'; put no_such/module.py into"),
        (SOURCE, "{}:Pul", "has no 'Pul'; did you mean Pull"),
        (SOURCE, "{}:net", "is <function net .*; an objective of your own is a subclass of"),
        (SOURCE, "{}:", "is not the name of code of yours; write my_module:MyAttribute"),
        (SOURCE, "a b:c", "is not the name of code of yours"),
        ("import nowhere_at_all", "{}:Pull", r"importing .* fails \(ModuleNotFoundError: No module named 'nowhere_at"),
        (
            "import torch; torch.set_default_dtype(torch.float64)",
            "{}:Pull",
            "sets torch's default dtype to torch.float64",
        ),
        ("x = (", "{}:Pull", r"importing .* fails \(SyntaxError: "),
        (SOURCE, "sys:path", "module 'sys' has no file of its own"),
        (SOURCE.replace("Options = PullOptions", ""), "{}:Pull", "its Options must be a frozen dataclass"),
        (f"{SOURCE}\nPull.Options = dict", "{}:Pull", "its Options must be a frozen dataclass, a subclass of"),
    ],
)
def test_each_mistake_is_one_sentence(tmp_path, source, named, says):
    name = write_own(tmp_path, source)
    with pytest.raises(SpecError, match=says) as raised:
        objective_spec(named.format(name))
    assert "\n" not in str(raised.value)


def test_an_own_objective_is_made_from_plain_values(tmp_path):
    name = write_own(tmp_path)
    spec = objective_spec(f"{name}:Pull", powers=(1, 2))
    assert isinstance(spec, CustomObjectiveSpec)
    assert spec.options == {"strength": 1.0, "powers": (1, 2)} and spec.least_views == 2
    assert hash(spec) == hash(objective_spec(f"{name}:Pull", powers=(1, 2)))
    made = build_objective(spec, 8)
    assert (made.dims, made.options.powers, made.options.name) == (8, (1, 2), f"{name}:Pull")
    assert type(make_objective(f"{name}:Pull", dims=3)) is type(made)
    with pytest.raises(SpecError, match="must be more than 0"):
        objective_spec(f"{name}:Pull", strength=-1.0)


def test_the_last_folder_told_is_looked_in_first(tmp_path):
    for folder, number in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "own_in_two_places.py").write_text(f"number = {number}")
    custom_imports.look_in(tmp_path / "a", tmp_path / "b")
    assert custom_imports.load("own_in_two_places:number") == 2
    assert os.path.abspath(tmp_path / "b") == custom_imports.folders()[0]
