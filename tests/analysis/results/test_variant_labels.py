"""Labels of what differs among specs."""

from analysis.results.variant_labels import NO_PART_OF_A_RUN, variants
from mmcr_core.config.run_id import NOT_IDENTITY


def test_what_is_no_part_of_a_run_makes_no_variant():
    assert set(NO_PART_OF_A_RUN) == set(NOT_IDENTITY)
    base = {"objective": {"name": "mmcr"}}
    for key in NOT_IDENTITY:
        part, _, name = key.partition(".")
        assert variants([base | {part: {name or "probe": value}} for value in ("a", "b")]) == ["mmcr", "mmcr"], key


def test_variants_name_what_differs():
    base = {"objective": {"name": "mmcr"}, "P": 1, "optimizer": {"learning_rate": 0.001}, "dataset": {"root": "/a"}}
    other = base | {"optimizer": {"learning_rate": 0.003}, "dataset": {"root": "/b"}}
    assert variants([base, base | {"P": 4}]) == ["mmcr", "mmcr"]
    assert variants([base, other]) == ["mmcr, optimizer.learning_rate=0.001", "mmcr, optimizer.learning_rate=0.003"]


def test_options_of_custom_code_are_called_as_a_grid_has_them():
    base = {"objective": {"name": "mmcr"}}
    nets = [{"name": "m:net", "width": None, "options": {"width": width}} for width in (4, 8)]
    assert variants([base | {"encoder": net} for net in nets]) == ["mmcr, encoder.width=4", "mmcr, encoder.width=8"]


def test_an_option_is_named_where_runs_of_the_same_objective_differ_in_it():
    simclr = [{"objective": {"name": "simclr", "temperature": t}} for t in (0.1, 0.5)]
    others = [{"objective": {"name": "mmcr", "local_weight": 0.0}}, {"objective": {"name": "mcr2", "eps": 0.5}}]
    assert variants([*others, simclr[0]]) == ["mmcr", "mcr2", "simclr"]
    assert variants([*others, *simclr]) == [
        "mmcr", "mcr2", "simclr, objective.temperature=0.1", "simclr, objective.temperature=0.5"
    ]  # fmt: skip


def test_names_of_parts_and_their_own_options_tell_variants_apart():
    encoders = [{"name": "convnet"}, {"name": "resnet18", "stem": "small"}, {"name": "resnet18", "stem": "imagenet"}]
    assert variants([{"objective": {"name": "mmcr"}, "encoder": encoder} for encoder in encoders]) == [
        "mmcr, encoder.name=convnet",
        "mmcr, encoder.name=resnet18, encoder.stem=small",
        "mmcr, encoder.name=resnet18, encoder.stem=imagenet",
    ]


def test_what_was_measured_makes_no_variant():
    base = {"objective": {"name": "mmcr"}, "evaluate": {"probe": "knn"}}
    assert variants([base, base | {"evaluate": {"probe": "knn", "measures": ["linear"]}}]) == ["mmcr", "mmcr"]


def sized(P, rate):
    return {"objective": {"name": "mmcr"}, "P": P, "D": 8, "K": 2, "seed": 0, "optimizer": {"learning_rate": rate}}


def test_a_setting_that_advances_with_an_axis_makes_no_variant():
    linked = [sized(16, 0.1), sized(32, 0.2), sized(64, 0.2)]
    assert variants(linked) == ["mmcr"] * 3
    assert variants([*linked, sized(16, 0.2)])[0] == "mmcr, optimizer.learning_rate=0.1"
    assert variants([sized(16, 0.1), sized(16, 0.2)])[1] == "mmcr, optimizer.learning_rate=0.2"
    named = [sized(P, 0.1) | {"encoder": {"name": name}} for P, name in ((16, "a"), (32, "b"))]
    assert variants(named) == ["mmcr, encoder.name=a", "mmcr, encoder.name=b"]


def test_runs_that_have_not_ended_count_for_what_sets_runs_apart():
    ended, others = [sized(16, 0.1), sized(32, 0.2)], [sized(16, 0.2), sized(32, 0.1)]
    assert variants(ended) == ["mmcr", "mmcr"]
    assert variants(ended, planned=others) == ["mmcr, optimizer.learning_rate=0.1", "mmcr, optimizer.learning_rate=0.2"]
    assert variants([sized(16, 0.1)], planned=[sized(16, 0.2)]) == ["mmcr, optimizer.learning_rate=0.1"]
