"""The part of a user's own images that is held out."""

import pytest

from mmcr_core.config.run import DatasetSpec
from mmcr_core.data import registry
from tests.mmcr_core.data.custom_data import encoded, write_parquet


@pytest.mark.parametrize(("heldout", "expected"), [(0.001, (3, 1)), (0.5, (2, 2)), (0.999, (1, 3))])
def test_at_least_one_image_stays_on_either_side(heldout, expected, tmp_path):
    registry.forget()
    path = write_parquet(tmp_path / "a.parquet", [encoded(seed=i) for i in range(4)]).path
    spec = DatasetSpec("parquet", path=path, heldout=heldout)
    images = registry.load(spec)
    assert registry.count(spec) == (len(images.train), len(images.heldout)) == expected
