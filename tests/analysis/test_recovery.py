"""The paper's 75 cells: known exponents and peaks come back, and noise yields neither."""

import pytest

from tests.benchmarks.recovery import recovered

pytestmark = pytest.mark.slow  # of 18 cells: test_commands.py


def test_known_exponents_and_peaks_come_back():
    found = recovered(draw=0, flat=False)
    assert found["cells"] == 75
    assert found["alpha in interval"] >= 67  # 75 draws of 95%: fewer has a chance of 4 in 1,000
    assert found["largest error of alpha %"] < 3
    assert found["peaks found"] == found["of these at P = D"] == found["peaks there"] == 18
    assert found["trusted laws"] >= 73


def test_noise_alone_has_no_law_and_no_peak():
    found = recovered(draw=4, flat=True)
    assert (found["trusted laws"], found["peaks found"]) == (0, 0)
