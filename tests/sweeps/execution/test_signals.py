"""Signals that end a launch."""

import subprocess
import sys

from tests.conftest import REPOSITORY

STUCK = """
import os, signal, time
from sweeps.execution import signals
signals.PATIENCE_SECONDS = 0.1
with signals.like_ctrl_c():
    while True:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(600)
        except KeyboardInterrupt:
            pass
"""


def test_a_launch_that_cannot_stop_says_so_and_ends():
    ran = subprocess.run(
        [sys.executable, "-c", STUCK], cwd=REPOSITORY, capture_output=True, text=True, timeout=100, check=False
    )
    assert ran.returncode == 130
    assert ran.stderr.startswith("interrupted, and Ray has not stopped within 0 s: ") and ran.stderr.count("\n") == 1
