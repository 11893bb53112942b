"""Fixtures of runs."""

import pytest

from mmcr_core.training import pretraining


@pytest.fixture
def _short_chunks(monkeypatch):
    monkeypatch.setattr(pretraining, "CHUNK_STEPS", 5)
