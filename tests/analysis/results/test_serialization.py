"""Fits as rows of a file: what is read is what was written, and nothing but the classes that were named."""

import enum
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.results.serialization import pack, unpack


class Check(enum.Enum):
    few = "few points"
    bent = "bent"


class Form(NamedTuple):
    irreducible: str
    aspect: bool


@dataclass(frozen=True)
class Fit:
    form: Form
    failed: frozenset[Check]
    alpha: dict[str, float]
    draws: np.ndarray
    points: pd.DataFrame
    test: pd.DataFrame | None


CLASSES = (Check, Form, Fit)


def fit(points):
    draws = np.random.default_rng(0).normal(size=(7, 3))
    return Fit(Form("none", True), frozenset(Check), {"P": float("nan"), "D": -np.inf}, draws, points, None)


@pytest.fixture
def written(tmp_path):
    points = pd.DataFrame({"variant": ["a", "b"], "P": [64, 2**40], "decays": [True, False], "error": [0.1, 1e-300]},
                          index=[5, 3])  # fmt: skip
    value = {("mmcr", 64): [fit(points), fit(points)], "none": ([], "why", np.int64(3), np.zeros((0, 4)))}
    pq.write_table(pack(value), tmp_path / "value.parquet")
    return value, unpack(pq.read_table(tmp_path / "value.parquet"), CLASSES)


def test_what_is_read_is_what_was_written(written):
    value, read = written
    assert list(read) == list(value) and read["none"][:3] == ([], "why", 3) and read["none"][3].shape == (0, 4)
    one, other = value["mmcr", 64][0], read["mmcr", 64][0]
    assert (other.form, other.failed, other.test) == (one.form, one.failed, None)
    assert np.isnan(other.alpha["P"]) and other.alpha["D"] == -np.inf
    assert other.draws.tobytes() == one.draws.tobytes() and other.draws.dtype == one.draws.dtype
    pd.testing.assert_frame_equal(other.points, one.points)


def test_what_is_met_twice_is_written_once(written):
    _, read = written
    assert read["mmcr", 64][0].points is read["mmcr", 64][1].points


def test_only_classes_that_were_named_are_made():
    with pytest.raises(KeyError, match="Fit"):
        unpack(pack(fit(pd.DataFrame({"P": [1]}))), [Form, Check])


@pytest.mark.parametrize("value", [object(), {"a": np.array(["text"])}, pa.array([1]), print])
def test_what_has_no_plain_form_is_refused(value):
    with pytest.raises(TypeError, match="has no plain form"):
        pack(value)
