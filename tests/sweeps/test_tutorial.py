"""The tutorial shows what its commands print."""

import pytest

from tests.tutorial import PAGE, Step, agrees, played, steps

TABLE = "┏━━━┓\n│ 8 │ 0.3081 │ 41aaa29134aeb7a5 │ 12 s │\n└───┘\n"


@pytest.mark.parametrize("training", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_each_command_of_the_tutorial_prints_what_the_page_shows(tmp_path, training):
    shown = list(played(PAGE.read_text(), tmp_path, training))
    differ = {step.command: printed for step, printed in shown if not agrees(step, printed)}
    assert not differ, "python -m tests.tutorial --write fills the page with what its commands print"
    assert len(shown) >= 4 and any(step.of_trained for step, _ in shown) == training


def test_what_depends_on_the_machine_may_differ_and_words_may_not():
    assert agrees(Step("x", TABLE), "┏━━━━━━┓\n│ 8 │ 0.3099  │ 61a0aa9134aeb7a5 │ 1 min 3 s │\n└──────┘\n")
    assert not agrees(Step("x", TABLE), TABLE.replace("8", "4", 1))
    assert not agrees(Step("x", TABLE), TABLE.replace("0.3", "0.5"))
    assert not agrees(Step("x", TABLE), TABLE + "note\n")


def test_a_block_is_commands_with_their_outputs():
    first, second = steps('$ a \\\n>   "b"\none\ntwo\n$ c\n')
    assert (first.command, first.output) == ('a \\\n  "b"', "one\ntwo\n")
    assert (second.command, second.output) == ("c", "")
