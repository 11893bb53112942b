"""Which captions of a pair a step has."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcr_core.data.image_text.captions import (
    NoCaption,
    TokenTable,
    captions_of,
    drawn_captions,
    texts_of,
    token_table,
)


def letters(texts):
    return np.array([[ord(text), 0] for text in texts], dtype=np.int64)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 99))
def test_no_caption_comes_twice_unless_there_are_too_few(there_are, wanted, seed):
    found = drawn_captions(there_are, wanted, np.random.default_rng(seed))
    counts = np.bincount(found, minlength=there_are)
    assert len(found) == wanted
    assert counts.max() - counts.min() <= 1


def test_tokens_are_those_of_the_chosen_pairs():
    table = TokenTable((("a",), ("b", "c"), ("d",)), letters)
    drawn = table.drawn(np.array([2, 1]), 2, np.random.default_rng(0))
    assert drawn.shape == (2, 2, 2)
    assert (drawn[0, :, 0] == ord("d")).all()
    assert set(drawn[1, :, 0]) == {ord("b"), ord("c")}


def test_captions_are_encoded_once_for_the_runs_of_a_process():
    captions, encoded = (("x",), ("y",)), []

    def encode(texts):
        encoded.append(texts)
        return letters(texts)

    assert token_table(captions, encode) is token_table((("x",), ("y",)), encode)
    assert encoded == [["x", "y"]]


def test_every_caption_of_a_pair_comes_up():
    table, rng = TokenTable((("a", "b", "c"),), letters), np.random.default_rng(0)
    assert {int(table.drawn(np.array([0]), 1, rng)[0, 0, 0]) for _ in range(50)} == set(map(ord, "abc"))


def test_one_caption_each_is_told_as_it_is():
    table = TokenTable((("a",), ("b",), ("c",)), letters)
    assert table.drawn(np.array([2, 0]), 1, np.random.default_rng(0))[:, 0, 0].tolist() == [ord("c"), ord("a")]
    assert texts_of([("a", "b"), ("c",)], 2) == ["a", "b", "c", "c"]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "it has no caption"),
        ([], "its caption is empty"),
        ([" ", None], "its caption is empty"),
        (3, "its caption is a number, not text"),
        (True, "its caption is true or false, not text"),
        (["a", {"b": 1}], "its caption is a mapping, not text"),
    ],
)
def test_what_is_no_caption_is_said(value, says):
    with pytest.raises(NoCaption, match=f"^{says}$"):
        captions_of(value)


def test_a_caption_is_a_text_or_a_list_of_texts():
    assert captions_of(" a ") == ("a",)
    assert captions_of(["a", "", None, "\ufeffb "]) == ("a", "b")
    assert captions_of("x" * 3000) == ("x" * 2000,)
