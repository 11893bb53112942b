"""Targets of adaptive sweeps, as a person writes them."""

import pytest

from mmcr_core.config.run import DatasetSpec, EvaluateSpec
from sweeps.cli.errors import UserError
from sweeps.execution.adaptive.rung import row_of
from sweeps.execution.adaptive.until import parse_until, require_measured
from tests.sweeps.execution.adaptive.played_sweep import spec


@pytest.mark.parametrize(
    ("text", "quantity", "within", "largest"),
    [
        ("5%", "percent_error", 0.05, False),
        ("max:2.5%", "percent_error", 0.025, True),
        ("knn_accuracy=0.01", "knn_accuracy", 0.01, False),
        ("max:zero_shot_top1=.02", "zero_shot_top1", 0.02, True),
    ],
)
def test_targets(text, quantity, within, largest):
    until = parse_until(text)
    assert (until.quantity, until.target.within, until.target.largest) == (quantity, pytest.approx(within), largest)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("5", "'5' is not a target; use 5%"),
        ("", "'' is not a target"),
        ("0%", "more than 0% and less than 100%"),
        ("100%", "more than 0% and less than 100%"),
        ("-5%", "is not a target"),
        ("knn_accuracy=1%", "is not a target"),
        ("knn_accuracy=0", "more than 0 and less than 1"),
        ("percent_error=0.01", "is a fraction of it"),
        ("knn=0.01", "'knn' is no measure that is predicted; use one of knn_accuracy"),
        ("capacity=0.01", "'capacity' is no measure that is predicted"),
    ],
)
def test_bad_targets_are_one_sentence(text, why):
    with pytest.raises(UserError) as error:
        parse_until(text)
    assert why in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("evaluate", "why"),
    [
        (EvaluateSpec(2, "none"), "does not measure knn_accuracy"),
        (EvaluateSpec(2, "knn", at=(0.5,)), "does not measure knn_accuracy at the end of each run"),
    ],
)
def test_a_measure_must_be_measured_at_the_end(evaluate, why):
    with pytest.raises(UserError, match=why):
        require_measured(parse_until("knn_accuracy=0.01"), [spec(evaluate=evaluate)])
    require_measured(parse_until("knn_accuracy=0.01"), [spec(evaluate=EvaluateSpec(2, "knn"))])


def test_zero_shot_is_of_its_data_set():
    measured = spec(dataset=DatasetSpec("glyphs"), evaluate=EvaluateSpec(2, "none", measures=("zero_shot",)))
    require_measured(parse_until("zero_shot_top1=0.05"), [measured])


def test_a_measure_is_the_one_with_all_labels_or_of_its_data_set():
    few = {"name": "knn_accuracy", "subject": "1 label a class", "value": 0.2}
    whole, glyphs = few | {"subject": "", "value": 0.8}, {"name": "zero_shot_top1", "subject": "glyphs", "value": 0.4}
    rows = [few, whole, glyphs, {"name": "linear_accuracy", "subject": "", "value": None}]
    assert row_of(rows, "knn_accuracy") is whole and row_of(rows, "zero_shot_top1") is glyphs
    assert row_of(rows, "linear_accuracy") is None and row_of(rows, "effective_rank") is None
