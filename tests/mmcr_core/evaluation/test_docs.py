"""docs/measures.md lists every measure and every key of `evaluate`."""

import re
from dataclasses import fields

from mmcr_core.config.defaults import run_spec
from mmcr_core.config.run import MEASURES, BudgetSpec, DatasetSpec, EvaluateSpec
from mmcr_core.evaluation.evaluate import requested_measures
from tests.conftest import REPOSITORY

TEXT = (REPOSITORY / "docs/measures.md").read_text()
ROWS = [re.split(r"(?<!\\)\|", line) for line in TEXT.splitlines() if line.startswith("| `")]


def test_the_table_names_every_measure_and_who_asks_for_it():
    named = {name for row in ROWS if len(row) == 8 for name in row[2].replace("`", "").replace(" ", "").split(",")}
    asked = EvaluateSpec(1, "knn", MEASURES, labels_per_class=1)
    run = run_spec(DatasetSpec("glyphs"), P=8, D=8, K=2, budget=BudgetSpec(steps=1), evaluate=asked)
    assert named == {name for name, _ in requested_measures(run)}
    asking = {word.strip() for row in ROWS if len(row) == 8 for word in row[1].replace("`", " ").split()}
    assert set(MEASURES) <= asking


def test_every_key_of_evaluate_is_explained():
    assert [row[1].strip(" `") for row in ROWS if len(row) == 5] == [field.name for field in fields(EvaluateSpec)]
