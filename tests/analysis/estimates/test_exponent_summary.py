"""A summary of what exponents mean, which can be checked."""

import re

import pytest

from analysis.estimates.exponent_summary import describe_exponents
from analysis.estimates.joint_scaling_law import JointForm, fit_joint_law
from tests.analysis.estimates.synthetic_grid import points


@pytest.fixture(scope="module")
def sentences():
    """Of e_inf + 1.5 steps^-0.25 P^-0.1 D^0.05 K^-0.2."""
    return describe_exponents(fit_joint_law(points(), JointForm("theory", "none", True), bootstrap=100))


def numbers(sentence):
    return [float(number) for number in re.findall(r"(\d+\.\d+) times", sentence)]


def test_twice_the_steps_and_twice_each_axis_are_powers_of_two(sentences):
    steps, batch, dims, views, _, points_ = sentences
    assert numbers(steps) == pytest.approx([2**-0.25], abs=0.011)
    assert numbers(batch) == pytest.approx([2**-0.1, 2**-0.4, 2**0.6], abs=0.03)  # error, steps, images
    assert numbers(dims) == pytest.approx([2**0.05, 2**0.2], abs=0.03)
    assert numbers(views) == pytest.approx([2**-0.2, 2**-0.8], abs=0.03)
    assert "above e_inf" in steps and "images" not in dims + views
    assert "within 1.0% of the law" in points_ and "reduced chi-square" in points_ and "noise" not in points_


def test_what_is_left_of_the_peak_is_said(sentences):
    assert "nothing is left of a peak" in sentences[-2]
    bare = describe_exponents(fit_joint_law(points(), JointForm("none", "none", True), bootstrap=50))
    assert "no other account" in bare[-2] and "percent error" in bare[0]
    squares, times = (float(re.search(rf"{text} (\d+(\.\d+)?)", bare[-1])[1]) for text in ("chi-square", "about"))
    assert squares > 2 and times == pytest.approx(squares**0.5, rel=0.1)
    assert not any(
        "aspect" in text for text in describe_exponents(fit_joint_law(points(), JointForm("theory", "none", False)))
    )


def test_where_the_law_does_not_fall_nothing_is_said_of_steps_that_make_good():
    """An error that stays: how many more steps P costs would be a quotient by nothing."""
    flat = points(lambda P, D, K, steps: 0.3 * (P / 64) ** 0.05 * steps**0.0, noise=0.02)
    _, nothing, batch, *_ = describe_exponents(fit_joint_law(flat, JointForm("none", "none", False), bootstrap=100))
    assert "does not clearly fall with steps" in nothing
    assert numbers(batch) == pytest.approx([2**0.05], abs=0.02) and "after" not in batch
