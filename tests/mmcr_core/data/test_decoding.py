"""Encoded images of odd kinds, and what is said of those that cannot be read."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from mmcr_core.config.run import DatasetSpec
from mmcr_core.data import registry
from mmcr_core.data.decoding import decode, reason, to_rgb
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


GRAY = np.array([[0, 51], [102, 255]], dtype=np.uint8)
COLOR = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [128, 64, 32]]], dtype=np.uint8)


def of_mode(mode):
    """A picture of a mode, encoded, and the RGB (2, 2, 3) that it is."""
    gray, color = (Image.fromarray(pixels) for pixels in (GRAY, COLOR))
    alpha = Image.fromarray(np.array([[255, 255], [0, 128]], dtype=np.uint8))
    gray_rgb = np.repeat(GRAY[..., None], 3, axis=2)
    big_endian = Image.frombytes("I;16B", (2, 2), (GRAY.astype(np.uint16) * 257).astype(">u2").tobytes())
    both = {
        "1": (Image.fromarray(GRAY > 60), np.repeat((GRAY > 60)[..., None] * np.uint8(255), 3, axis=2)),
        "L": (gray, gray_rgb),
        "LA": (Image.merge("LA", (gray, alpha)), gray_rgb),
        "P": (color.quantize(4), COLOR),
        "PA": (color.quantize(4).convert("PA"), COLOR),
        "RGB": (color, COLOR),
        "RGBA": (Image.merge("RGBA", (*color.split(), alpha)), COLOR),
        "CMYK": (color.convert("CMYK"), COLOR),
        "LAB": (Image.new("LAB", (2, 2), (255, 128, 128)), np.full((2, 2, 3), 255)),
        "I;16": (Image.fromarray(GRAY.astype(np.uint16) * 257), gray_rgb),
        "I;16B": (big_endian, gray_rgb),
        "I": (Image.fromarray(GRAY.astype(np.int32)), gray_rgb),
        "F": (Image.fromarray(GRAY.astype(np.float32)), gray_rgb),
        "F up to 1": (Image.fromarray((GRAY / 255).astype(np.float32)), gray_rgb),
    }
    image, expected = both[mode]
    return saved(image, "TIFF"), expected


MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "LAB", "I;16", "I;16B", "I", "F", "F up to 1"]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_has_the_right_values(mode, streamed):
    content, expected = of_mode(mode)
    pixels = decode(content, 2, streamed=streamed).transpose(0, 2, 1)
    np.testing.assert_allclose(pixels, expected, atol=2 if mode == "LAB" else 0)


def test_modes_that_no_file_has_become_rgb_too():
    premultiplied = Image.new("RGBa", (1, 1), (64, 32, 0, 128))
    assert to_rgb(premultiplied).getpixel((0, 0)) == (127, 63, 0)
    assert to_rgb(Image.new("La", (1, 1), (64, 128))).getpixel((0, 0)) == (127,) * 3
    color = Image.new("RGB", (1, 1), (200, 100, 50))
    assert to_rgb(color.convert("HSV")).getpixel((0, 0)) == (200, 100, 50)
    np.testing.assert_allclose(to_rgb(color.convert("YCbCr")).getpixel((0, 0)), (200, 100, 50), atol=1)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.array([[0, 4095]], np.int32), "32-bit integers from 0 to 4095; save it as a PNG of 8 or 16 bits"),
        (np.array([[-1, 4]], np.int32), "32-bit integers from -1 to 4"),
        (np.array([[0, 1000]], np.float32), "floats from 0 to 1000"),
        (np.array([[0, math.nan]], np.float32), "floats from nan to nan"),
    ],
)
def test_a_picture_whose_range_is_not_known_is_refused(values, says):
    with pytest.raises(ValueError, match=says):
        decode(saved(Image.fromarray(values), "TIFF"), 1)


UPRIGHT = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
STORED = {  # EXIF orientation -> how a picture lies in the file
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.swapaxes(0, 1),
    6: np.rot90(UPRIGHT),
    7: UPRIGHT[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90(UPRIGHT, -1),
}


@pytest.mark.parametrize("turn", STORED)
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_a_picture_is_turned_as_people_see_it(turn, kind):
    exif = Image.Exif()
    exif[0x0112] = turn
    content = saved(Image.fromarray(np.ascontiguousarray(STORED[turn])), kind, exif=exif, lossless=True)
    for streamed in (False, True):
        np.testing.assert_array_equal(decode(content, 4, streamed=streamed).transpose(0, 2, 1), UPRIGHT)


def test_a_damaged_exif_is_no_damage_to_the_picture():
    content = saved(Image.fromarray(UPRIGHT), "PNG", exif=b"Exif\0\0nonsense")
    np.testing.assert_array_equal(decode(content, 4).transpose(0, 2, 1), UPRIGHT)


def test_the_center_of_a_thin_picture_is_cut_out_before_it_is_resized(monkeypatch):
    resized = []
    resize = Image.Image.resize
    monkeypatch.setattr(Image.Image, "resize", lambda *a, **k: resized.append(resize(*a, **k)) or resized[-1])
    decode(encoded((1, 20_000)), 64)
    decode(encoded((30, 20)), 64)
    assert [image.size for image in resized] == [(64, 64), (96, 64)]


def test_more_pixels_than_are_allowed_are_named_and_skipped(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", [encoded(), encoded((13, 12)), encoded()]).path
    assert registry.load(DatasetSpec("parquet", path=path, max_pixels=144)).skipped == (
        "row 1: it has 13 x 12 pixels, more than 144",
    )
