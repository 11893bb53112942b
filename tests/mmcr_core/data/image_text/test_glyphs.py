"""The glyphs of a font and their names."""

import hashlib

import numpy as np

from mmcr_core.config.run import NAMED_HELDOUT, NAMED_IMAGES
from mmcr_core.data.image_text.glyphs import glyphs


def test_the_set_has_the_numbers_that_are_planned_with():
    drawn = glyphs()
    assert drawn.heldout.sum() == NAMED_HELDOUT["glyphs"] >= 400
    assert (~drawn.heldout).sum() == NAMED_IMAGES["glyphs", "train"]
    assert len(drawn.pixels) == len(drawn.names) == len(drawn.labels) == len(set(drawn.names))


def test_which_glyphs_there_are_does_not_depend_on_the_machine():
    names = hashlib.sha256("\n".join(glyphs().names).encode()).hexdigest()
    assert names[:16] == "ed590b0165168120"


def test_every_glyph_is_inked_within_its_square():
    pixels = glyphs().pixels
    assert pixels.shape[1:] == (32, 1, 32)
    assert (pixels.reshape(len(pixels), -1).max(axis=1) > 100).all()
    ink = pixels[:, :, 0].astype(float).sum(axis=0)
    assert ink[[0, -1]].sum() + ink[:, [0, -1]].sum() < 0.02 * ink.sum()


def test_a_picture_is_that_of_its_name():
    """Known shapes: a full stop lies low and small, a full block fills its cell, o and O differ in size alone."""
    drawn = glyphs()

    def picture(name):
        return drawn.pixels[drawn.names.index(name), :, 0].astype(float) / 255

    stop, small, capital = map(picture, ("full stop", "latin small letter o", "latin capital letter o"))
    rows = np.arange(32)
    assert stop.sum() < 20
    assert (stop.sum(1) * rows).sum() / stop.sum() > 20
    assert 0.4 < small.sum() / capital.sum() < 0.9
    assert picture("full block").sum() > 200


def test_classes_are_first_words_of_many_names():
    drawn = glyphs()
    assert {"latin", "greek", "cyrillic", "arabic", "braille"} <= set(drawn.classes)
    for name, label in zip(drawn.names, drawn.labels, strict=True):
        assert (label == -1) == (name.split()[0] not in drawn.classes)
        assert label == -1 or drawn.classes[label] == name.split()[0]
    counts = np.bincount(drawn.labels[drawn.heldout & (drawn.labels >= 0)])
    assert len(counts) == len(drawn.classes)
    assert counts.min() >= 1
