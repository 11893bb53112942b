"""What makes two runs the same."""

import dataclasses

import pytest

from mmcr_core.config import run_id as module
from mmcr_core.config.defaults import run_spec
from mmcr_core.config.run import BudgetSpec, CustomObjectiveSpec, DatasetSpec, EncoderSpec, EvaluateSpec, OptimizerSpec
from mmcr_core.config.run_id import OWN, canonical_json, identity, run_id
from mmcr_core.objectives import OBJECTIVES, objective_class, objective_spec
from sweeps.config.grid_file import load_grid
from tests.conftest import REPOSITORY


def cifar(**changes):
    dataset = changes.pop("dataset", DatasetSpec("cifar10"))
    return run_spec(dataset, **({"P": 64, "D": 64, "K": 2, "budget": BudgetSpec(steps=10)} | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"evaluate": EvaluateSpec(heldout_batches=3, probe="linear")},
        {"dataset": DatasetSpec("cifar10", root="/elsewhere", download=True)},
    ],
    ids=["measures", "paths"],
)
def test_what_changes_no_number_of_the_trajectory_leaves_the_run_the_same(changes):
    assert run_id(cifar(**changes)) == run_id(cifar())


@pytest.mark.parametrize(
    "changes",
    [
        {"P": 128},
        {"D": 128},
        {"K": 4},
        {"seed": 1},
        {"precision": "bf16"},
        {"budget": BudgetSpec(steps=11)},
        {"optimizer": OptimizerSpec(warmup=5)},
        {"encoder": EncoderSpec("convnet")},
        {"encoder": EncoderSpec("resnet18", "small", width=32)},
        {"encoder": EncoderSpec("resnet34", "small")},
        {"encoder": EncoderSpec("timm", model="resnet18")},
        {"encoder": EncoderSpec("my:net", source="0")},
        {"optimizer": OptimizerSpec("sgd")},
        {"optimizer": OptimizerSpec("adamw")},
        {"optimizer": OptimizerSpec(eps=1e-6)},
        {"objective": objective_spec("mmcr", local_weight=0.1)},
        {"objective": objective_spec("simclr")},
        {"dataset": DatasetSpec("cifar10", limit=1000)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_changes_the_trajectory_makes_another_run(changes):
    assert run_id(cifar(**changes)) != run_id(cifar())


def test_a_users_own_files_are_known_by_content_and_not_by_path():
    here, there = (DatasetSpec("folder", path=path, digest="d") for path in ("/here", "/there"))
    assert run_id(cifar(dataset=here)) == run_id(cifar(dataset=there))
    assert run_id(cifar(dataset=here)) != run_id(cifar(dataset=dataclasses.replace(here, digest="e")))


def test_a_field_added_later_counts_only_where_it_says_something_new():
    assert "limit" not in identity(cifar())["dataset"]
    assert identity(cifar(dataset=DatasetSpec("cifar10", limit=9000)))["dataset"]["limit"] == 9000


@pytest.mark.parametrize(
    "changes",
    [
        {"encoder": EncoderSpec("resnet18", "small", width=64)},
        {"optimizer": OptimizerSpec(eps=1e-8)},
    ],
    ids=["width", "eps"],
)
def test_what_was_always_so_is_the_same_run_where_it_is_spelled_out(changes):
    assert run_id(cifar(**changes)) == run_id(cifar())


def test_mending_one_part_leaves_runs_without_it_alone(monkeypatch):
    before = run_id(cifar(encoder=EncoderSpec("convnet"))), run_id(cifar())
    mended = {**module.ALGORITHM, "network": {**module.ALGORITHM["network"], "convnet": 99}}
    monkeypatch.setattr(module, "ALGORITHM", mended)
    assert run_id(cifar(encoder=EncoderSpec("convnet"))) != before[0]
    assert run_id(cifar()) == before[1]


def test_an_objective_that_was_never_mended_needs_no_number():
    simclr = identity(cifar(objective=objective_spec("simclr")))
    assert simclr["algorithm"]["objective"] == 1
    assert simclr["objective"] == {"name": "simclr", "temperature": 0.5}


@pytest.mark.parametrize("objective", [*OBJECTIVES, OWN])
def test_every_key_of_a_spec_counts_or_is_said_not_to(objective):
    """One that is added to a class and forgotten here would give two different runs one id."""
    options = CustomObjectiveSpec("my:loss") if objective == OWN else objective_class(objective).Options()
    counted = {
        "objective": f"name {module.OPTIONS[objective]}",
        **module.PARTS,
        **dict.fromkeys(module.NUMBERS.split()),
    }
    said = [f"{part}.{key}" if keys else part for part, keys in counted.items() for key in (keys or part).split()]
    fields = dataclasses.asdict(cifar()) | {"objective": dataclasses.asdict(options)}
    keys = [f"{part}.{key}" for part, values in fields.items() if isinstance(values, dict) for key in values]
    keys = [key for key in keys if not key.startswith("evaluate.")]
    keys += [key for key, value in fields.items() if not isinstance(value, dict)] + ["evaluate"]
    assert sorted([*said, *module.NOT_IDENTITY]) == sorted(keys)
    assert set(module.NEUTRAL) - {"objective.clip_weight", "dataset.label_column"} <= set(said)


def test_canonical_json_does_not_depend_on_order():
    assert canonical_json({"b": 1, "a": [1, 2]}) == canonical_json({"a": [1, 2], "b": 1}) == '{"a":[1,2],"b":1}'


@pytest.mark.parametrize(
    ("grid", "first"),
    [("quickstart", "24adf9d0fe566ff4"), ("digits", "b2816aeaae06543e"), ("paper-stl10", "b1c125caa7c249ea")],
)
def test_shipped_grids_keep_their_ids(grid, first):
    """Their runs are in people's stores: an id may change with `algorithm` alone, and then here."""
    assert run_id(load_grid(REPOSITORY / f"sweeps/grids/{grid}.yaml").cells[0]) == first
