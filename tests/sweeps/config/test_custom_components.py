"""A user's own objective and encoder in a grid file, and timm's encoders."""

import dataclasses
import json
import re
import sys

import pytest

from mmcr_core import custom_imports
from mmcr_core.config.run import OPTIMIZERS
from mmcr_core.config.run_id import canonical_json, run_id
from mmcr_core.config.validation import options_of
from mmcr_core.data import torchvision_import  # noqa: F401  # before timm, which imports torchvision
from sweeps.config.axes import varying
from sweeps.config.filters import selected
from sweeps.config.grid_file import GridError, load_grid
from sweeps.config.spec_serialization import spec_from_json
from tests.conftest import REPOSITORY
from tests.custom_components import SOURCE, write_own


@pytest.fixture(autouse=True)
def _folders(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(custom_imports, "_FOLDERS", [])


@pytest.fixture
def own(tmp_path):
    """A module beside the grid, by name."""
    return write_own(tmp_path)


def test_options_stand_beside_the_name_and_each_list_is_an_axis(own, write_grid):
    grid = load_grid(
        write_grid(
            objective=f'{{name: "{own}:Pull", strength: [0.5, 2.0]}}',
            encoder=f'["{own}:net", {{name: "{own}:net", width: [5, 6]}}]',
        )
    )
    cells = {(cell.objective.options["strength"], cell.encoder.options["width"]) for cell in grid.cells}
    assert cells == {(strength, width) for strength in (0.5, 2.0) for width in (4, 5, 6)}
    assert {cell.encoder.source for cell in grid.cells} == {custom_imports.source_digest(f"{own}:net")}
    assert {cell.objective.source for cell in grid.cells} == {custom_imports.source_digest(f"{own}:net")}
    assert varying(grid.cells) == ["objective.strength", "encoder.width"]
    (chosen,) = selected(grid.cells, "objective.strength=2,encoder.width=5")
    assert (chosen.objective.options["strength"], chosen.encoder.options["width"]) == (2.0, 5)


def test_a_default_that_is_spelled_out_is_the_same_run(own, write_grid):
    with pytest.raises(GridError, match="two cells are the same run"):
        load_grid(write_grid(encoder=f'["{own}:net", {{name: "{own}:net", width: 4}}]'))


def test_the_example_of_the_docs_works(write_grid, tmp_path):
    text = (REPOSITORY / "docs/extending.md").read_text().partition("## Custom objectives")[2].partition("\n## ")[0]
    (code,), (lines,) = (re.findall(rf"```{kind}\n(.*?)```", text, re.S) for kind in ("py", "yaml"))
    own = write_own(tmp_path, code)
    parts = dict(line.split(": ", 1) for line in lines.replace("my_module", own).splitlines())
    assert [cell.objective.options for cell in load_grid(write_grid(**parts)).cells] == [
        {"strength": 0.5},
        {"strength": 1.0},
    ]


def test_the_docs_say_which_keys_an_optimizer_has_and_their_defaults():
    text = (REPOSITORY / "docs/encoders_and_optimizers.md").read_text()
    rows = {cells[1].strip(" `"): cells[2] for line in text.splitlines() if len(cells := line.split("|")) == 5}
    for name, options in OPTIMIZERS.items():
        for key, field in options_of(options).items():
            if (default := field.default) is not None and (name, key) != ("lars", "exclude_bias_and_norm"):
                assert f"`{key}: {json.dumps(default).replace('1e-08', '1e-8')}`" in rows[name]


def test_a_run_of_own_parts_is_read_back_without_their_module(own, write_grid, tmp_path):
    (cell,) = load_grid(write_grid(objective=f"{own}:Pull", encoder=f"{own}:net")).cells
    stored = canonical_json(dataclasses.asdict(cell))
    (tmp_path / f"{own}.py").unlink()
    del sys.modules[own], custom_imports._DIGESTS[own]
    assert spec_from_json(stored) == cell
    assert run_id(spec_from_json(stored)) == run_id(cell)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "lars"])
def test_a_run_of_before_own_parts_and_widths_and_optimizers_is_read_back_the_same(write_grid, optimizer):
    (cell,) = load_grid(write_grid(optimizer=f"{{name: {optimizer}}}")).cells
    fields = json.loads(canonical_json(dataclasses.asdict(cell)))
    assert spec_from_json(json.dumps(fields)) == cell
    before = {"encoder": ("name", "stem"), "optimizer": ("name", "learning_rate", "weight_decay", "schedule", "warmup")}
    old = fields | {part: {key: fields[part][key] for key in keys} for part, keys in before.items()}
    assert spec_from_json(json.dumps(old)) == cell


def test_the_source_makes_another_run_of_the_same_name(own, write_grid, tmp_path):
    grid = write_grid(objective=f"{own}:Pull")
    (first,) = load_grid(grid).cells
    (tmp_path / f"{own}.py").write_text(SOURCE + "# another\n")
    del sys.modules[own], custom_imports._DIGESTS[own]
    (second,) = load_grid(grid).cells
    assert run_id(second) != run_id(first)


MISTAKES = {
    'objective: "{}:Pul"': "objective: .* has no 'Pul'; did you mean Pull",
    'objective: "no_such_module:Pull"': "objective: .* there is no module 'no_such_module'; put no_such_module.py",
    'objective: "{}:Pull"|K: 1': "K: 1 must be 2 or more: '.*:Pull' compares views",
    'objective: {{name: "{}:Pull", strngth: 1.0}}': "objective.strngth: unknown key; did you mean 'strength'",
    'objective: {{name: "{}:Pull", strength: -1.0}}': "objective.strength: -1.0 must be more than 0",
    'objective: {{name: "{}:Pull", strength: big}}': "objective.strength: 'big' is wrong; it should be a valid number",
    'objective: "{}:Reading"': r"objective: '.*:Reading' fails without data at .*py:\d+ \(.*: nothing in a step may re",
    'objective: "{}:Vector"': r"objective: .* its loss has shape \(16,\); return a scalar, such as its mean.. .*py",
    'objective: "{}:DoubleForAll"': r"objective: .* fails \(RuntimeError: it sets torch's default dtype",
    'objective: "{}:Text"': "objective: .* its loss is a str; return a scalar tensor",
    'objective: "{}:Apart"': "objective: .* its loss does not depend on the embeddings z",
    'objective: "{}:Raising"': r"objective: .* fails \(KeyError: 'of mine'\) \(.*\.py:LINE of the error\); mend it",
    'objective: "{}:Exiting"': r"objective: .* fails \(SystemExit: 3\) \(.*\.py:[0-9]+\); mend it",
    'encoder: "{}:lazy"': r"encoder.name: .* has no shape for 1.weight before its first input; give lazy modules",
    'encoder: "{}:exiting"': r"encoder.name: .* cannot be made: SystemExit: 3 \(.*\.py:[0-9]+\)",
    'objective: "{}:Infinite"': "objective: .* its loss is -?(inf|nan) of 16 random images, K = 2, D = 8.* .*py",
    'objective: "{}:Steep"': "objective: .* its gradient is not finite of 16 random images",
    'objective: "{}:NumpyChance"': r"objective: .* draws random numbers \(numpy.random\), which no resumed run could",
    'objective: "{}:PythonChance"': r"objective: .* draws random numbers \(Python's random\)",
    'objective: "{}:OwnChance"': "objective: .* gives other values when it is called again with the same ones",
    'encoder: "{}:numpy_noise"': r"encoder.name: .* draws random numbers \(numpy.random\), which no resumed run could",
    'encoder: "{}:own_noise"': "encoder.name: .* gives other values when it is called again with the same ones",
    'encoder: "{}:kept_noise"': "encoder.name: .* gives other values when it is called again with the same ones",
    'encoder: "{}:numpy_weights"': r"encoder.name: .* \(numpy.random\), which do not follow from the run's seed",
    'encoder: "{}:own_weights"': r"encoder.name: .* \(the first value of 1.weight\), which do not follow from the run",
    'encoder: "{}:broken"': r"encoder.name: '.*:broken' fails \(RuntimeError: mat1 and mat2 .*\) \(.*\.py\); mend it",
    'encoder: "{}:raising"': r"encoder.name: .* cannot be made: KeyError: 'of mine' \(.*\.py:LINE of the factory\)",
    'encoder: "{}:nett"': "encoder.name: .* has no 'nett'; did you mean net",
    'encoder: {{name: "{}:net", widht: 3}}': "encoder.widht: is no option of '.*:net'; did you mean width",
    'encoder: {{name: "{}:net", width: {{a: 1}}}}': "encoder.options.width: .*must be a number, a text",
    'encoder: "{}:dropping"': "encoder.name: .* draws random numbers in 1 .*set its rate to 0",
    'encoder: "{}:noisy"': r"encoder.name: '.*:noisy' draws random numbers \(aten\.bernoulli_\), which no resumed",
    'objective: "{}:Chance"': r"objective: '.*:Chance' draws random numbers \(aten.randn_like\)",
    "encoder: {{name: timm, model: resnet10t, drop_rate: 0.1}}": "encoder.name: 'resnet10t' draws random numbers",
    "encoder: resnet19": "encoder.name: 'resnet19' is not an encoder; use one of resnet18, .*, towers, or your own",
    "encoder: {{name: convnet, width: 32}}": "encoder.width: 32 applies to resnet18, resnet34 and resnet50, not to",
    "encoder: {{name: resnet50, width: 0}}": "encoder.width: 0 must lie in 1..4096",
    "encoder: {{name: timm}}": "encoder.model: is missing; name one of timm's architectures",
    "optimizer: {{name: adam, momentum: 0.9}}": "optimizer.momentum: 0.9 applies to sgd and lars, not to adam",
    "optimizer: {{name: sgd, nesterov: true, momentum: 0.0}}": "optimizer.nesterov: true needs momentum",
    "optimizer: {{name: lamb}}": "optimizer.name: 'lamb' is wrong; it should be 'adam', 'adamw', 'sgd' or 'lars'",
}


def test_a_module_that_exits_as_it_is_imported_is_named(write_grid, tmp_path):
    (tmp_path / "a_script_of_mine.py").write_text("import sys\nsys.exit(2)\n")
    with pytest.raises(GridError, match=r"importing .*a_script_of_mine.py:2 fails \(SystemExit: 2\); mend it"):
        load_grid(write_grid(objective='"a_script_of_mine:Objective"'))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_names_key_and_remedy(own, mistake, write_grid):
    lines = dict(line.split(": ", 1) for line in mistake.format(own).split("|"))
    lines_of = {text.split("# line ")[1]: str(n) for n, text in enumerate(SOURCE.splitlines(), 1) if "# line " in text}
    says = re.sub("LINE (of the [a-z]+)", lambda found: lines_of[found[1]], MISTAKES[mistake])
    with pytest.raises(GridError, match=says) as raised:
        load_grid(write_grid(**lines))
    assert "\n" not in str(raised.value)


def test_timms_mistakes_name_the_line(write_grid):
    pytest.importorskip("timm")
    for encoder, says in (
        (
            "{name: timm, model: vit_tiny_patch16_223}",
            "encoder.model: 'vit_.*_223' is not an architecture of timm .*d",
        ),
        ("{name: timm, model: resnet18, in_chans: 3}", "encoder.in_chans: follows from the run; leave it out"),
        (
            "{name: timm, model: vit_tiny_patch16_224}",
            "encoder.model: has patches of 16 pixels, which don't divide views of 8",
        ),
    ):
        with pytest.raises(GridError, match=says):
            load_grid(write_grid(encoder=encoder))


def test_timms_options_stand_beside_the_model(write_grid):
    pytest.importorskip("timm")
    small = "{name: timm, model: vit_tiny_patch16_224, depth: 1, patch_size: [2, 4]}"
    cells = load_grid(write_grid(encoder=small)).cells
    assert [cell.encoder.options for cell in cells] == [{"depth": 1, "patch_size": size} for size in (2, 4)]
