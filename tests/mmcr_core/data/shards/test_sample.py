"""Pixels and captions of one sample, and what makes it broken."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from mmcr_core.data import decoding
from mmcr_core.data.shards.sample import Broken, captions, decoded


def photo(width=64, height=64, kind="PNG", mode="RGB", scale=1):
    """A smooth picture, its waves `scale` times as long."""
    y, x = np.mgrid[:height, :width] / scale
    waves = [127 + 120 * np.sin(x / (5 + i) + i) * np.cos(y / (7 - i)) for i in range(3)]
    stream = io.BytesIO()
    Image.fromarray(np.stack(waves, axis=-1).astype(np.uint8)).convert(mode).save(stream, kind)
    return stream.getvalue()


def image_of(pixels):
    return pixels.transpose(0, 2, 1).astype(int)


@pytest.mark.parametrize("size", [16, 24, 64, 100])
def test_pixels_are_those_of_the_other_loaders_where_the_picture_is_square(size):
    np.testing.assert_array_equal(decoded(photo(), size), decoding.decode(photo(), size))


def test_the_center_is_cut_out():
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    stream = io.BytesIO()
    Image.fromarray(wide).save(stream, "PNG")
    assert (decoded(stream.getvalue(), 10) == 200).all()
    assert decoded(stream.getvalue(), 10).shape == (10, 3, 10)


@pytest.mark.parametrize("times", [2, 4, 8, 9])
def test_a_jpeg_decoded_at_a_fraction_looks_as_the_whole_does(times):
    encoded = photo(32 * times, 40 * times, "JPEG", scale=times)
    image = Image.open(io.BytesIO(encoded)).crop((0, 4 * times, 32 * times, 36 * times))
    whole = np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC)).astype(int)
    difference = np.abs(image_of(decoded(encoded, 32)) - whole)
    assert difference.mean() < 2


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("JPEG", "CMYK"), ("JPEG", "L"), ("PNG", "P"), ("PNG", "1"), ("PNG", "LA"), ("PNG", "RGBA"), ("WEBP", "RGB")],
)
def test_every_mode_becomes_rgb(kind, mode):
    encoded = photo(16, 16, kind, mode)
    expected = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGBA" if mode == "P" else "RGB").convert("RGB"))
    np.testing.assert_array_equal(image_of(decoded(encoded, 16)), expected)


def test_sixteen_bit_grey_is_scaled():
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 4), 0x80FF, np.uint16)).save(stream, "PNG")
    assert (decoded(stream.getvalue(), 4) == 0x80).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (3000, 1)])
def test_thin_pictures_are_pictures(size):
    assert decoded(photo(*size), 8).shape == (8, 3, 8)


@pytest.mark.parametrize(
    ("encoded", "says"),
    [
        (b"", "no bytes"),
        (b"nonsense", "^cannot identify image file$"),
        (photo(kind="JPEG")[:700], "truncated"),
        (photo()[:200], "."),
    ],
)
def test_a_picture_that_cannot_be_read_is_broken_for_a_reason_without_addresses(encoded, says):
    with pytest.raises(Broken, match=says) as caught:
        decoded(encoded, 8)
    assert "0x" not in str(caught.value)


def test_more_pixels_than_are_allowed_are_broken_before_they_are_decoded():
    encoded = photo(101, 100)
    with pytest.raises(Broken, match="it has 101 x 100 pixels, more than 10,000"):
        decoded(encoded, 8, 10_000)
    assert decoded(encoded, 8, 10_100).shape == (8, 3, 8)


@pytest.mark.parametrize(
    ("text", "described", "expected"),
    [
        (b" a\nb \n", None, ("a\nb",)),
        (b"text", b'{"caption": "other"}', ("text",)),
        (None, b'{"caption": " one "}', ("one",)),
        (None, b'{"caption": ["one", " ", "two"]}', ("one", "two")),
        (b"x" * 10_000, None, ("x" * 2000,)),
        ("größe 字".encode(), None, ("größe 字",)),
        (b"\xef\xbb\xbfa cat\r\n", None, ("a cat",)),
        (None, b'\xef\xbb\xbf{"caption": ["one", null]}', ("one",)),
    ],
)
def test_captions_are_the_text_or_those_of_the_json(text, described, expected):
    assert captions(text, described) == expected


@pytest.mark.parametrize(
    ("text", "described", "says"),
    [
        (None, None, "it has no caption"),
        (b"", None, "its caption is empty"),
        (b" \n", b'{"caption": "x"}', "its caption is empty"),
        (b"\xff\xfe", None, "its caption is not UTF-8"),
        (None, b"{", "its .json is not JSON"),
        (None, b"[" * 100_000, "its .json is not JSON"),
        (None, b"[1]", "its .json has no caption: it is not an object"),
        (None, b'{"caption": null}', "it has no caption"),
        (None, b'{"caption": "x", "caption": "y"}', 'its .json has "caption" twice'),
        (None, b'{"text": "x", "url": 1}', 'its .json has no "caption"; its keys are text, url'),
        (None, b'{"caption": 3}', "its caption is a number, not text"),
        (None, b'{"caption": []}', "its caption is empty"),
        (None, json.dumps({"caption": "\ud800"}).encode(), "its caption is not UTF-8"),
    ],
)
def test_a_sample_without_a_caption_is_broken(text, described, says):
    with pytest.raises(Broken, match=f"^{says}$"):
        captions(text, described)
