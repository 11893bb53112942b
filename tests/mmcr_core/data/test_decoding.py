"""Encoded images of odd kinds, and what is said of those that cannot be read."""

import io

import numpy as np
import pytest
from PIL import Image

from mmcr_core.data import registry
from mmcr_core.data.decoding import decode, reason
from mmcr_core.data.image_set import describe_skipped
from tests.mmcr_core.data.custom_data import encoded, saved, write_parquet


@pytest.fixture(autouse=True)
def _nothing_kept():
    registry.forget()


def test_odd_images_are_converted_and_unreadable_ones_named(tmp_path):
    good = [encoded(seed=i) for i in range(8)]
    sixteen_bit = io.BytesIO()
    Image.fromarray((np.arange(144, dtype=np.uint16) * 400).reshape(12, 12)).save(sixteen_bit, "PNG")
    odd = [
        encoded(mode="L"),
        encoded(mode="RGBA"),
        encoded(mode="LA"),
        encoded(mode="CMYK", kind="JPEG"),
        encoded((1, 1)),
        encoded((40, 9), kind="JPEG"),
        sixteen_bit.getvalue(),
    ]
    bad = [encoded(kind="JPEG")[:150], b"not an image", b"", None]
    spec = write_parquet(tmp_path / "a.parquet", [*odd, *bad, *good])
    images = registry.load(spec)
    assert len(images.train) + len(images.heldout) == len(good) + len(odd)
    assert images.train.shape[1:] == (12, 3, 12)  # the common size, not that of the 1 x 1 image
    assert len(images.skipped) == 4
    line = describe_skipped(images.skipped)
    assert line.startswith("skipped 4 unreadable images: row 7: ") and line.endswith("and 1 more")
    assert (images.train_labels == -1).all()


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path):
    stream = io.BytesIO()
    ramp = np.linspace(0, 65535, 144).astype(np.uint16).reshape(12, 12)
    Image.fromarray(ramp).save(stream, "PNG")
    images = registry.load(write_parquet(tmp_path / "a.parquet", [stream.getvalue()] * 3))
    np.testing.assert_array_equal(images.train[0, :, 1].numpy(), ramp >> 8)


def test_of_an_animation_the_first_frame_is_taken():
    frames = [Image.new("RGB", (12, 12), color) for color in ("red", "blue")]
    pixels = decode(saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True), 12)
    assert pixels[0, :, 0].tolist() == [255, 0, 0]


def test_reasons_are_the_same_each_time_and_name_no_address_or_path(tmp_path):
    spec = write_parquet(
        tmp_path / "a.parquet", [encoded(), b"not an image", encoded(), b"nor this", b"nor this", b"x"]
    )
    first = registry.load(spec).skipped
    registry.forget()
    assert registry.load(spec).skipped == first
    assert first == tuple(f"row {row}: cannot identify image file" for row in (1, 3, 4, 5))
    assert reason(FileNotFoundError(2, "No such file or directory", "/a/b")) == "No such file or directory"
    assert reason(ValueError()) == "ValueError"


def test_a_lack_of_memory_is_not_taken_for_an_unreadable_image(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise MemoryError

    spec = write_parquet(tmp_path / "a.parquet", [encoded()] * 3)
    monkeypatch.setattr("mmcr_core.data.custom_images.decode", fails)
    with pytest.raises(MemoryError):
        registry.load(spec)
