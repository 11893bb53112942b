"""Which images are in a batch: each once per epoch, of those that a limit keeps."""

import numpy as np

from mmcr_core.data.sampler import Epochs, kept_images

IMAGES = 1437  # as many as digits has


def test_an_epoch_shows_each_image_once_and_drops_the_last_batch():
    epochs = Epochs(IMAGES, None, 500, 0)
    first, second = ([*epochs.chosen(2 * epoch), *epochs.chosen(2 * epoch + 1)] for epoch in range(2))
    assert len(set(first)) == len(set(second)) == 1000
    assert first != second


def test_a_limit_keeps_some_images_the_same_for_all_seeds_and_smaller_ones_within_larger():
    def seen(limit, seed):
        epochs = Epochs(IMAGES, limit, 50, seed)
        return {int(i) for step in range(2 * epochs.available // 50) for i in epochs.chosen(step)}

    assert seen(100, seed=0) == seen(100, seed=1)
    assert len(seen(100, seed=0)) == 100
    assert seen(100, seed=0) < seen(300, seed=0)
    assert len(kept_images(10, None)) == len(kept_images(10, 20)) == 10


def test_a_limit_is_no_prefix_of_the_data():
    kept = kept_images(10_000, 500)
    assert np.all(np.diff(kept) > 0)
    assert abs(kept.mean() - 5000) < 500  # of files sorted by class, every class is kept
