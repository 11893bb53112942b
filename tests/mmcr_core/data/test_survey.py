"""What is seen of a user's files is what is used and what is left out."""

import pytest

from mmcr_core.data.survey import Account, Some, Survey
from tests.mmcr_core.data.custom_data import encoded


def test_parts_that_do_not_add_up_are_a_defect():
    with pytest.raises(AssertionError, match="are not the 4 seen"):
        Account(4, 2, {"odd": Some(1, ("a",))})


def test_accounts_add_up_and_name_a_few_examples():
    one, other = (Account(3, 1, {"odd": Some(2, (f"{name}1", f"{name}2"))}) for name in "ab")
    assert (one + other).remark("folder x", "files") == (
        "folder x: 2 of 6 files are used; left out: 4 odd (a1, a2, b1, ...)"
    )
    assert Account(2, 2, {}).remark("folder x", "files") == ""


def test_of_many_reasons_the_rarest_are_counted_together_and_named():
    account = Account(6, 0, {f"odd {i}": Some(1, (f"{i}.png",)) for i in range(6)})
    assert account.remark("folder x", "files").endswith("; 2 for other reasons (4.png, 5.png)")


def test_a_header_that_ends_behind_what_is_read_first_is_read_whole():
    survey, image = Survey(), encoded()
    survey.image("a", image[:20], lambda: image)
    survey.image("b", image[:20], lambda: image[:20])
    assert survey.account(2).used == 1
