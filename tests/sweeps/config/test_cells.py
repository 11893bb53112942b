"""Which cells a grid has: keys that are linked, cells left out, keys replaced behind the grid, grids by name."""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmcr_core.config.run_id import run_id
from sweeps.config.axes import grid_keys
from sweeps.config.grid_file import GridError, load_grid
from tests.conftest import REPOSITORY

BASE = {
    "name": "base",
    "dataset": "digits",
    "projector": {"hidden": [32]},
    "P": [16, 32],
    "D": [8, 16],
    "K": 2,
    "budget": {"steps": 5},
    "evaluate": {"heldout_batches": 2, "probe": "none"},
}
RATE = "optimizer.learning_rate"


def without(*keys, **changes):
    return {key: value for key, value in (BASE | changes).items() if key not in keys}


def sizes(grid):
    return [(cell.P, cell.D, cell.seed, cell.optimizer.learning_rate) for cell in grid.cells]


def written_out(P, D, seed, rate):
    cell = without(P=P, D=D, seed=seed, optimizer={"learning_rate": rate})
    return run_id(load_grid(cell).cells[0])


def test_linked_keys_advance_together_and_links_are_combined():
    links = [{"P": [16, 32], RATE: [1e-3, 2e-3]}, {"D": [8, 16, 32], "seed": [0, 1, 2]}]
    grid = load_grid(without("P", "D", linked=links))
    expected = itertools.product([(16, 1e-3), (32, 2e-3)], [(8, 0), (16, 1), (32, 2)])
    assert sizes(grid) == [(P, D, seed, rate) for (P, rate), (D, seed) in expected]
    assert [count.cells for count in grid.counts] == [36, 18, 6]
    assert grid.counts[1].what == f"with P and {RATE} linked"


def test_a_linked_value_may_be_a_mapping_a_list_of_one_value_or_an_axis():
    links = [{"projector.hidden": [[32], [64, 32]], "objective": ["mmcr", {"name": "simclr", "temperature": [0.1, 1]}]}]
    cells = load_grid(without("projector", linked=links, P=16, D=8)).cells
    assert [(cell.projector.hidden, cell.objective.name) for cell in cells] == [
        ((32,), "mmcr"),
        ((64, 32), "simclr"),
        ((64, 32), "simclr"),
    ]


def test_excluded_cells_need_not_be_possible():
    grid = load_grid(
        without(
            P=[16, 32, 2048],
            K=[1, 2],
            objective=["mmcr", "simclr"],
            exclude=["P=2048", "objective=simclr,K=1", "D>=P", "K=3", f"{RATE}>0.1"],
        )
    )
    assert {(cell.P, cell.D) for cell in grid.cells} == {(16, 8), (32, 8), (32, 16)}
    assert {(cell.objective.name, cell.K) for cell in grid.cells} == {("mmcr", 1), ("mmcr", 2), ("simclr", 2)}
    assert [count.cells for count in grid.counts] == [24, 16, 12, 9, 9, 9]
    assert grid.remarks == (
        "note: exclude: 'K=3' leaves out no cell of this grid",
        f"note: exclude: '{RATE}>0.1' leaves out no cell of this grid",
    )


@given(
    st.lists(st.sampled_from([16, 24, 32]), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from([8, 16, 24]), min_size=2, max_size=3, unique=True),
    st.sampled_from([None, "D>P", "P=16,D=8", "seed<1", "D<=P", "P=D"]),
    st.booleans(),
)
@settings(max_examples=20)
def test_ids_are_those_of_the_same_cells_written_out(P, D, exclude, on_the_command_line):
    rates = [1e-3 * 2**place for place in range(len(D))]
    cells = [(p, d, seed, rate) for d, rate in zip(D, rates, strict=True) for p in P for seed in (0, 1)]
    left_out = {
        None: lambda p, d, s: False,
        "D>P": lambda p, d, s: d > p,
        "P=16,D=8": lambda p, d, s: (p, d) == (16, 8),
        "seed<1": lambda p, d, s: s < 1,
        "D<=P": lambda p, d, s: d <= p,
        "P=D": lambda p, d, s: d == p,
    }[exclude]
    expected = [cell for cell in cells if not left_out(*cell[:3])]
    grid = without("D", seed=[0, 1], linked=[{"D": D, RATE: rates}])
    grid |= {"exclude": [exclude]} if exclude else {}
    overrides = []
    if on_the_command_line:
        overrides = [f"P={','.join(map(str, P))}"]
    grid["P"] = 128 if on_the_command_line else P
    if not expected:
        with pytest.raises(GridError, match="exclude: leaves out all"):
            load_grid(grid, overrides)
        return
    found = load_grid(grid, overrides)
    assert [run_id(cell) for cell in found.cells] == [written_out(*cell) for cell in expected]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("linked: {P: [1, 2]}", "g.yaml:9: linked: must be a list of mappings, such as {P: [64, 256], optimizer.lear"),
        ("linked: [P]", "g.yaml:9: linked: each link is a mapping of keys to lists, such as {P: "),
        ("linked:\n- {seed: [0, 1], Q: [1, 2]}", "g.yaml:10: linked: Q: unknown key; known keys: "),
        ("linked:\n- {seed: [0, 1]}", "g.yaml:10: linked: seed stands alone in its link; make it a list at the top"),
        ("linked:\n- seed: [0, 1]\n  precision: fp32", "g.yaml:11: linked: precision needs a list of values"),
        (
            f"linked:\n- seed: [0, 1]\n  {RATE}: [1.0e-3]",
            f"g.yaml:11: linked: seed has 2 values and {RATE} 1; give equally many",
        ),
        (
            f"linked:\n- P: [16, 32]\n  {RATE}: [1.0e-3, 1.0e-4]",
            "g.yaml:10: P: is linked and stands at the top too (line 4); keep one",
        ),
        (
            f"optimizer: {{learning_rate: 1}}\nlinked:\n- seed: [0, 1]\n  {RATE}: [1.0e-3, 1.0e-4]",
            f"g.yaml:12: {RATE}: is linked and stands at the top too (line 9); keep one",
        ),
        (
            "linked:\n- {seed: [0, 1], precision: [fp32, bf16]}\n- {seed: [2, 3], optimizer.name: [adam, sgd]}",
            "g.yaml:11: linked: seed stands beside seed, of which one is the other or lies in it; link it once",
        ),
        (
            "linked:\n- {seed: [0, 1], optimizer.learning_rat: [1, 2]}",
            "g.yaml:10: optimizer.learning_rat: unknown key; did you mean 'learning_rate'?",
        ),
        (
            "linked:\n- {seed: [0, 0], precision: [fp32, fp32]}",
            "g.yaml:10: linked: step 2 of seed and precision stands",
        ),
        ("linked:\n- {seed: [0, 1], retries: [1, 2]}", "g.yaml:10: linked: retries: unknown key; "),
        (
            "linked:\n- {seed: [0, 1], evaluate.probe: [knn, none]}",
            "g.yaml:10: linked: evaluate.probe: what is measured",
        ),
        ("linked:\n- {seed: [0, 1], K.a: [1, 2]}", "g.yaml:10: K.a: K is 2, which has no keys; leave '.a' out"),
        (
            "exclude: [D>Q]",
            "g.yaml:9: exclude: 'Q' is not a key of the grid's cells nor a number; use a key of the gri",
        ),
        (
            "exclude:\n- K=1\n- learning_rate=1",
            "g.yaml:11: exclude: 'learning_rate' is not a key of the grid's cells; ",
        ),
        ("exclude: [P]", "g.yaml:9: exclude: 'P' is not KEY=VALUE; such as 'P=64|128,K=2'"),
        ("exclude: [3]", 'g.yaml:9: exclude: 3 is not text; write exclude: ["P=1024,K=8", "D>P"]'),
        (
            "exclude: [status=failed]",
            "g.yaml:9: exclude: 'status' is a word of --only; a grid leaves cells out by their",
        ),
        ("exclude: [P>1]", "g.yaml:9: exclude: leaves out all 4 cells of the grid; exclude fewer"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(lines, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in BASE.items())
    (tmp_path / "g.yaml").write_text(text + lines)
    with pytest.raises(GridError) as raised:
        load_grid("g.yaml")
    assert str(raised.value).startswith(sentence)


@pytest.mark.parametrize(
    ("argument", "key", "values"),
    [
        ("P=24", "P", [24]),
        ("P=16,64", "P", [16, 64]),
        ("P=[16,64]", "P", [16, 64]),
        ("P=016", "P", [16]),
        ("optimizer.learning_rate=3e-4,1e-3", RATE, [3e-4, 1e-3]),
        ("optimizer={name: sgd, learning_rate: 0.1}", RATE, [0.1]),
        ("dataset.limit=200, 300", "dataset.limit", [200, 300]),
        ("dataset.limit=null", "dataset.limit", [None]),
        ("projector.hidden=[64, 32]", "projector.hidden", [(64, 32)]),
        ("projector.hidden=[64],[32]", "projector.hidden", [(64,), (32,)]),
        ("objective=mmcr,{name: simclr, temperature: 0.1}", "objective", ["mmcr", "simclr"]),
        ('objective="mmcr"', "objective", ["mmcr"]),
        ("views={recipe: digits, flip: 0.5}", "views.flip", [0.5]),
    ],
)
def test_an_argument_replaces_a_key_as_yaml(argument, key, values):
    cells = [grid_keys(cell) for cell in load_grid(BASE, [argument]).cells]
    assert list(dict.fromkeys(cell[key] for cell in cells)) == values
    assert len(cells) == len(values) * (2 if key == "P" else 4)


def test_an_argument_reaches_into_every_value_of_a_list_and_into_short_forms():
    grid = without(dataset=["digits", {"name": "digits", "heldout": 0.1}][:1], optimizer=[{}, {"name": "sgd"}])
    cells = load_grid(grid, ["dataset.limit=300", "optimizer.weight_decay=0.5"]).cells
    assert {(cell.dataset.limit, cell.optimizer.weight_decay) for cell in cells} == {(300, 0.5)}
    assert {cell.optimizer.name for cell in cells} == {"adam", "sgd"}


def test_braces_commas_and_text_that_looks_like_a_number_can_be_said():
    grid = without(dataset={"name": "folder"})
    for argument, path in {
        "dataset.path=D/{0..1}.tar": "D/{0..1}.tar",
        "dataset.path='D/a,b'": "D/a,b",
        'dataset.path="016"': "016",
    }.items():
        with pytest.raises(GridError, match=r"argument dataset.path=") as raised:
            load_grid(grid, [argument])
        assert path in str(raised.value)


def test_settings_links_and_exclusions_are_replaced_too():
    grid = without("P", linked=[{"P": [16, 32], "seed": [0, 1]}], exclude=["D=8"])
    assert load_grid(grid, ["name=other", "checkpoint.keep=all"]).settings.name == "other"
    assert sizes(load_grid(grid, ["linked=[]", "P=24", "exclude=P=24,D=16"])) == [(24, 8, 0, 1e-3)]
    assert len(load_grid(grid, ['exclude=["P=16,D=8", "P=32,D=16"]']).cells) == 2


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("P", "argument P: is not KEY=VALUE; write P=64,128 or optimizer.learning_rate=3e-4"),
        ("P=", "argument P=: is not KEY=VALUE"),
        ("track=wandb", "argument track=wandb: track: 'wandb' is wrong; it should be a list, such as [wandb]"),
        ("P=x", "argument P=x: P: 'x' is wrong; it should be a whole number"),
        ("P=16,16", "argument P=16,16: P: 16 stands twice in the list; keep one"),
        ("P=2048", "argument P=2048: P: 2048 exceeds the 1437 training images"),
        ("Q=1", "argument Q=1: Q: unknown key; known keys: "),
        ("optimizer.learning_rat=1", "argument optimizer.learning_rat=1: optimizer.learning_rat: unknown key; did you"),
        ("P=[1", "argument P=[1: is not valid YAML: "),
        ("K.a=1", "argument K.a=1: K.a: K is 2, which has no keys; leave '.a' out"),
        ("retries=1,2", "argument retries=1,2: retries: [1, 2] is wrong; it should be a whole number"),
        ("exclude=D>Q", "argument exclude=D>Q: exclude: 'Q' is not a key"),
        ("evaluate.probe=knn,none", "argument evaluate.probe=knn,none: evaluate.probe: takes one value"),
    ],
)
def test_a_mistake_in_an_argument_names_it(argument, sentence):
    with pytest.raises(GridError) as raised:
        load_grid(BASE, [argument])
    assert str(raised.value).startswith(sentence)
    with pytest.raises(GridError, match="argument P=8: P stands twice on the command line; keep one"):
        load_grid(BASE, ["P=16", "P=8"])


def test_what_is_kept_of_a_launch_has_the_same_cells(tmp_path):
    links = [{"P": [16, 32], RATE: [1e-3, 2e-3]}]
    (tmp_path / "grid.yaml").write_text(json.dumps(without("P", linked=links, exclude=["D>P"])))
    given = load_grid(tmp_path / "grid.yaml", ["D=8,32", "name='016'", "objective={name: simclr, temperature: 1e-5}"])
    (tmp_path / "kept.yaml").write_text(given.text)
    kept = load_grid(tmp_path / "kept.yaml")
    assert (kept.cells, kept.settings) == (given.cells, given.settings) and kept.settings.name == "016"
    assert given.text.startswith(f"# {tmp_path / 'grid.yaml'} D=8,32 ")
    assert load_grid(tmp_path / "grid.yaml").text == (tmp_path / "grid.yaml").read_text()


def test_a_shipped_grid_is_found_by_its_name_unless_a_file_has_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_grid("quickstart") == load_grid(REPOSITORY / "sweeps/grids/quickstart.yaml")
    (tmp_path / "quickstart").mkdir()  # a folder, such as that of its results, is no grid
    assert load_grid("quickstart").settings.name == "quickstart"
    (tmp_path / "digits").write_text(json.dumps(BASE))
    assert load_grid("digits").settings.name == "base"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("papr-stl10", ", or the name of a shipped one: did you mean paper-stl10?"),
        ("paper-stl10.yaml", ", or the name of a shipped one: did you mean paper-stl10?"),
        ("nothing-like-it", " or the name of a shipped one"),
    ],
)
def test_a_near_miss_suggests_a_shipped_grid(name, hint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GridError) as raised:
        load_grid(name)
    assert (
        str(raised.value) == f"{name}: cannot be read (No such file or directory); give the path of a grid file{hint}"
    )
