"""What is wrong with an argument of `make_objective` or of an objective's loss is said, and by ValueError."""

import pytest
import torch

from mmcr_core import make_objective
from mmcr_core.config.run import SpecError
from mmcr_core.objectives import OBJECTIVES, objective_class


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
@pytest.mark.parametrize("shape", [(16, 8), (16, 2, 9), (16, 0, 8), (0, 2, 8)])
def test_embeddings_of_another_shape_are_refused(name, shape):
    z = torch.ones(shape)
    with pytest.raises(ValueError, match=r"^z (must be|is) \(P, K, D\)"):
        make_objective(name, dims=8).loss(z, z, torch.tensor(0.5))


@pytest.mark.parametrize("name", sorted(set(OBJECTIVES) - {"mmcr"}))
def test_one_view_is_refused_where_views_are_compared(name):
    z = torch.ones(16, 1, 8)
    if objective_class(name).Options.least_views < 2:
        assert torch.isfinite(make_objective(name, dims=8).loss(z, z, torch.tensor(0.5)))
        return
    with pytest.raises(ValueError, match=f"{name} needs K of 2 or more and D = 8"):
        make_objective(name, dims=8).loss(z, z, torch.tensor(0.5))


@pytest.mark.parametrize(("name", "missing"), [("byol", "teacher="), ("swav", "progress=")])
def test_what_an_objective_needs_beside_the_embeddings_is_named(name, missing):
    with pytest.raises(ValueError, match=f"{name} needs {missing}"):
        make_objective(name, dims=8).loss(torch.ones(16, 2, 8))


@pytest.mark.parametrize("dims", [0, -2, 8.0, None])
def test_dims_are_a_whole_number(dims):
    with pytest.raises(SpecError, match=r"^dims: must be a whole number from 1 on"):
        make_objective("swav", dims=dims)


def test_a_wrong_option_is_named():
    with pytest.raises(SpecError, match=r"^temperature: must be more than 0"):
        make_objective("simclr", dims=8, temperature=-1.0)
