"""Laws of several variables: known truth, published results, and refusals."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.fitting.multivariate_fit import fit_joint

DATA = Path(__file__).with_name("chinchilla.csv")


def grid(form, E=0.0, noise=0.0, seed=0, n=120):
    rng = np.random.default_rng(seed)
    N, D = 10 ** rng.uniform(7, 10, n), 10 ** rng.uniform(9, 12, n)
    above = 400 * N**-0.34 + 410 * D**-0.28 if form == "additive" else 30 * N**-0.1 * D**-0.15
    return {"N": N, "D": D}, (E + above) * np.exp(noise * rng.standard_normal(n))


@pytest.fixture(scope="module")
def chinchilla():
    """The 240 runs that Besiroglu et al. fit: they leave out the five of highest loss."""
    runs = pd.read_csv(DATA, comment="#").sort_values("loss").iloc[:-5]
    assert len(runs) == 240
    tokens = runs["training_flop"] / (6 * runs["model_size"])
    return {"N": runs["model_size"], "D": tokens}, runs["loss"]


def test_published_fit_of_chinchilla_comes_back(chinchilla):
    """Besiroglu et al. 2024 (arXiv 2404.10102), table 1: E 1.8172 (0.03), A 482.01 (124.58), B 2085.43 (1293.23),
    alpha 0.3478 (0.02), beta 0.3658 (0.02), standard errors by bootstrap. Huber threshold as theirs."""
    joint = fit_joint(*chinchilla, form="additive", irreducible="free", huber=1e-3)
    published = {
        "E": (1.8172, 0.03),
        "A": (482.01, 124.58),
        "B": (2085.43, 1293.23),
        "a": (0.3478, 0.02),
        "b": (0.3658, 0.02),
    }
    ours = {"E": joint.E, "A": joint.A["N"], "B": joint.A["D"], "a": joint.alpha["N"], "b": joint.alpha["D"]}
    spread = {"E": joint.draws("E"), "A": joint.draws("A", "N"), "B": joint.draws("A", "D"),
              "a": joint.draws("alpha", "N"), "b": joint.draws("alpha", "D")}  # fmt: skip
    for name, (value, error) in published.items():
        assert abs(ours[name] - value) < 0.1 * error, name
        assert 0.5 * error < spread[name].std() < 1.5 * error, name
    assert ours["E"] == pytest.approx(1.8172, abs=5e-4)
    assert (ours["a"], ours["b"]) == pytest.approx((0.3478, 0.3658), rel=0.005)


def test_hoffmanns_own_coefficients_fit_that_data_worse(chinchilla):
    """Hoffmann et al. 2022 gave E 1.69, A 406.4, B 410.7, alpha 0.34, beta 0.28."""
    columns, loss = chinchilla
    joint = fit_joint(columns, loss, form="additive", irreducible="free", huber=1e-3, bootstrap=0)
    theirs = 1.69 + 406.4 * columns["N"] ** -0.34 + 410.7 * columns["D"] ** -0.28
    error = np.abs(np.log(joint.predict(columns)) - np.log(loss)).mean()
    assert error < 0.5 * np.abs(np.log(theirs) - np.log(loss)).mean()


@pytest.mark.parametrize("form", ["additive", "multiplicative"])
@pytest.mark.parametrize(("irreducible", "E"), [("free", 0.5), ("none", 0.0), (0.5, 0.5)])
def test_exact_laws_are_recovered(form, irreducible, E):
    columns, y = grid(form, E)
    joint = fit_joint(columns, y, form=form, irreducible=irreducible, bootstrap=0)
    alphas = {"additive": (0.34, 0.28), "multiplicative": (0.1, 0.15)}[form]
    assert (joint.alpha["N"], joint.alpha["D"]) == pytest.approx(alphas, rel=2e-3)
    assert pytest.approx(E, abs=2e-3) == joint.E
    np.testing.assert_allclose(joint.predict(columns), y, rtol=1e-4)


@given(unit=st.floats(-6, 6), exponent=st.floats(-9, 9))
@settings(max_examples=15)
def test_units_do_not_matter(unit, exponent):
    columns, y = grid("multiplicative", E=0.5, noise=0.01)
    one = fit_joint(columns, y, form="multiplicative", bootstrap=0)
    scaled = {"N": columns["N"] * 10**exponent, "D": columns["D"]}
    other = fit_joint(scaled, y * 10**unit, form="multiplicative", bootstrap=0)
    assert other.alpha["N"] == pytest.approx(one.alpha["N"], rel=1e-3)
    assert pytest.approx(one.E * 10**unit, rel=1e-3) == other.E


def test_a_floor_for_each_point_is_subtracted_there():
    columns, y = grid("multiplicative", noise=0.0)
    level = np.linspace(0.01, 0.2, len(y))
    joint = fit_joint(columns, y + level, form="multiplicative", irreducible=level, bootstrap=20)
    assert joint.alpha["N"] == pytest.approx(0.1, rel=1e-3)
    assert np.isnan(joint.E)
    np.testing.assert_allclose(joint.predict(columns, irreducible=level), y + level, rtol=1e-5)
    with pytest.raises(ValueError, match="those of the new points"):
        joint.predict(columns)


@pytest.mark.slow
def test_intervals_count_that_points_of_a_group_deviate_together():
    held = {"groups": 0, "points": 0}
    repeats = 60
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        run = np.repeat(np.arange(24), 10)
        size = 10 ** rng.uniform(1, 3, 24)
        steps = np.tile(np.geomspace(10, 1000, 10), 24)
        y = (
            2
            * steps**-0.2
            * size[run] ** -0.1
            * np.exp(0.1 * rng.standard_normal(24)[run] + 0.01 * rng.standard_normal(240))
        )
        for kind, groups in (("groups", run), ("points", None)):
            joint = fit_joint({"steps": steps, "size": size[run]}, y, form="multiplicative", irreducible="none",
                              groups=groups, bootstrap=200, seed=seed)  # fmt: skip
            low, high = joint.interval("alpha", "size")
            held[kind] += low <= 0.1 <= high
    assert held["groups"] / repeats > 0.87
    assert held["points"] / repeats < 0.7


def test_forecasts_hold_new_measurements_and_are_wider_than_the_law():
    columns, y = grid("multiplicative", noise=0.1)
    joint = fit_joint(columns, y, form="multiplicative", irreducible="none")
    new, measured = grid("multiplicative", noise=0.1, seed=1)
    low, high = joint.forecast(new)
    assert 0.88 <= np.mean((low <= measured) & (measured <= high)) <= 1.0
    thin, thick = joint.band(new)
    assert ((thick - thin) < (high - low)).mean() > 0.95


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        ({}, {"form": "cubic"}, "form 'cubic'"),
        ({}, {"irreducible": "some"}, "irreducible 'some'"),
        ({}, {"irreducible": -1.0}, "not negative"),
        ({"N": [1.0, 2.0]}, {}, "as long as y"),
        ({"N": np.full(120, -1.0)}, {}, "positive"),
        ({"N": np.full(120, 3.0)}, {}, "depend on each other"),
        ({"D2": "square"}, {}, "depend on each other"),
        ({}, {"groups": np.zeros(120)}, "too few groups of points"),
    ],
)
def test_bad_input_is_refused(change, options, says):
    columns, y = grid("additive")
    if change.get("D2") is not None:
        change = {"D2": columns["D"] ** 2}
    with pytest.raises(ValueError, match=says):
        fit_joint(columns | change, y, **options)


def test_unknown_names_are_refused():
    columns, y = grid("additive")
    joint = fit_joint(columns, y, bootstrap=0)
    with pytest.raises(ValueError, match="not a parameter"):
        joint.interval("alpha", "Z")
    with pytest.raises(ValueError, match="needs a column D"):
        joint.predict({"N": [1e9]})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"bootstrap": -1}, "bootstrap is -1"),
        ({"huber": -1.0}, "huber is -1.0; it must be positive"),
        ({"groups": [1, 2]}, "groups must be one label per point"),
        ({"irreducible": 100.0}, "all points lie below it, the largest at 3"),
    ],
)
def test_arguments_that_cannot_be_are_refused(wrong, said):
    x = np.geomspace(1, 100, 20)
    with pytest.raises(ValueError, match=said):
        fit_joint({"x": x, "z": x[::-1] ** 0.5 + x}, 3 * x**-0.3, **{"bootstrap": 0, **wrong})
