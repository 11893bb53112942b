"""A run with a user's own objective and encoder."""

import dataclasses
import sys

import pytest

from mmcr_core import custom_imports
from mmcr_core.config.run import EncoderSpec, SpecError
from mmcr_core.config.run_id import identity, run_id
from mmcr_core.models.custom_encoders import with_defaults
from mmcr_core.objectives import objective_spec
from mmcr_core.training import Pretraining
from tests.custom_components import write_own
from tests.mmcr_core.training.run_helpers import columns, same, through_bytes


@pytest.fixture
def spec(tmp_path, monkeypatch, digits_spec):
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setattr(custom_imports, "_FOLDERS", [])
    name = write_own(tmp_path)
    return digits_spec(encoder=with_defaults(EncoderSpec(f"{name}:net")), objective=objective_spec(f"{name}:Pull"))


@pytest.mark.usefixtures("_short_chunks")
def test_it_is_resumed_bit_for_bit(spec):
    whole, begun, resumed = (Pretraining(spec) for _ in range(3))
    expected = columns(whole.run())
    before = list(begun.run(until=7))
    resumed.load_state_dict(through_bytes(begun.state_dict()))
    assert same(expected, columns([*before, *resumed.run()]))


def test_a_loss_in_double_precision_is_trained(spec):
    name = spec.objective.name.replace("Pull", "Double")
    double = columns(Pretraining(dataclasses.replace(spec, objective=objective_spec(name))).run())
    assert double["loss"][0] == pytest.approx(columns(Pretraining(spec).run())["loss"][0], rel=1e-6)


def test_it_is_known_by_the_source_of_both_and_by_their_options(spec):
    others = [
        dataclasses.replace(spec, encoder=dataclasses.replace(spec.encoder, source="0" * 16)),
        dataclasses.replace(spec, encoder=dataclasses.replace(spec.encoder, options={"width": 5})),
        dataclasses.replace(spec, objective=dataclasses.replace(spec.objective, source="0" * 16)),
        dataclasses.replace(spec, objective=dataclasses.replace(spec.objective, options={"strength": 2.0})),
    ]
    assert len({run_id(spec), *map(run_id, others)}) == 5
    assert identity(spec)["algorithm"]["objective"] == 1


@pytest.mark.parametrize("part", ["encoder", "objective"])
def test_it_does_not_begin_with_another_source_than_planned(spec, part):
    other = dataclasses.replace(getattr(spec, part), source="0" * 16)
    with pytest.raises(SpecError, match="is not what was planned"):
        Pretraining(dataclasses.replace(spec, **{part: other}))


def test_it_needs_as_many_views_as_the_objective_says(spec):
    with pytest.raises(SpecError, match=r"must be 2 or more: 'own_.*:Pull' compares views of an image"):
        dataclasses.replace(spec, K=1)
