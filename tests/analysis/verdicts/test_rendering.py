"""One verdict rendered: in a page, in the terminal, as JSON."""

import json

from analysis.verdicts.registry import Judgment, all_claims
from analysis.verdicts.rendering import as_json, markdown, number, symbols, terminal
from analysis.verdicts.verdict import Count, Decision, Effect, Verdict

NAN = float("nan")
PEAK, ABOVE, SAME = (
    next(claim for claim in all_claims() if claim.id == name)
    for name in ("peak_at_p_equal_d", "shallower_slopes_above_baseline", "same_exponent_above_baseline")
)
CONFIRMED = Verdict(Decision.CONFIRMED, (Effect("a | rise", 0.5, 0.4, 0.6, "seeds"),), (Count(3, 4, "lines peak"),))
REFUTED = Verdict(Decision.REFUTED, (Effect("a rise", -0.5, -0.6, -0.4, "cells", "nats", 2),))
COUNTED = (Count(1, 2, "laws are valid"),)
UNDECIDED = Verdict(Decision.UNDECIDED, (Effect("off by", 1.25, NAN, NAN, "", "%", 1, False),), COUNTED)
UNTESTED = Verdict(Decision.NOT_TESTED, explanation="no runs.")
JUDGED = {
    "digits": [Judgment(ABOVE, UNDECIDED), Judgment(PEAK, CONFIRMED), Judgment(SAME, UNTESTED)],
    "cifar10": [Judgment(PEAK, REFUTED)],
}


def test_numbers_say_what_was_measured_and_over_what():
    assert number(CONFIRMED) == "3 of 4 lines peak; a | rise +0.500 (+0.400 to +0.600)"
    assert number(REFUTED) == "a rise -0.50 nats (-0.60 to -0.40, cells)"
    assert number(UNDECIDED) == "1 of 2 laws are valid; off by 1.2%" and number(UNTESTED) == ""
    assert number(Verdict(Decision.UNDECIDED, (Effect("x", 1, NAN, NAN, "one seed"),))) == "x +1.000 (one seed)"


def test_the_papers_claims_come_first_each_with_all_its_sweeps():
    papers, ours = markdown(JUDGED).split("### Our claims")
    assert f"**{PEAK.name}.** {PEAK.statement} (figure by" in papers
    assert "| sweep | verdict | lines peak | a \\| rise | a rise (nats) | interval over |" in papers
    assert "| digits | confirmed | 3/4 | +0.500 [+0.400, +0.600] |  | seeds |" in papers
    assert "| cifar10 | refuted |  |  | -0.50 [-0.60, -0.40] | cells |" in papers
    assert "| sweep | verdict | laws are valid | off by (%) |\n" in ours and "`plot_scaling.py`" in ours
    assert "| digits | undecided | 1/2 | 1.2 |\n" in ours


def test_what_no_sweep_can_judge_is_said_with_the_grid_that_could():
    rows = [line for line in markdown(JUDGED).splitlines() if SAME.name.partition(" e_inf")[0] in line]
    assert len(rows) == 1 and rows[0].endswith("| `sweeps/grids/digits.yaml` |")


def test_no_text_breaks_a_row():
    rows = [line for line in markdown(JUDGED).splitlines() if line.startswith("|")]
    assert {row.replace("\\|", "").count("|") for row in rows} == {3, 5, 7} and "_inf" in "".join(rows)


def test_what_all_intervals_are_over_stands_beside_the_claim():
    text = markdown({"digits": [Judgment(PEAK, CONFIRMED)]})
    assert "(figure by `plot_double_descent.py`; interval over seeds)" in text
    assert "| sweep | verdict | lines peak | a \\| rise |\n" in text


def test_a_symbol_and_a_number_stand_for_each_verdict_in_the_column_of_its_sweep():
    sweeps, _, head, _, *rows = symbols(JUDGED | {"empty": []}).splitlines()
    assert (
        sweeps == "Sweeps: 1\N{NO-BREAK SPACE}digits, 2\N{NO-BREAK SPACE}cifar10."
        and head == "| The paper's claims | 1 | 2 |"
    )
    assert f"| {PEAK.name} | ✓ 3/4 | ✗ -0.50 nats |" in rows
    assert f"| {ABOVE.name.replace('_', chr(92) + '_')} | ? 1.2% |  |" in rows


def test_the_summary_of_many_sweeps_fits_a_terminal():
    signed = Verdict(Decision.UNDECIDED, (Effect("difference", -0.153, -1, 1, "cells"),))
    judged = {f"sweep-of-many-objectives-{i}": [Judgment(claim, signed) for claim in all_claims()] for i in range(6)}
    assert "? -0.15 |" in symbols(judged) and max(map(len, symbols(judged).splitlines())) <= 100


def test_the_terminal_shows_what_has_a_number():
    table = terminal(JUDGED)
    assert set(table["claim"]) <= {claim.name for claim in all_claims()}  # one name, as on every page
    assert table[["sweep", "verdict"]].to_numpy().tolist() == [
        ["digits", "undecided"], ["digits", "confirmed"], ["cifar10", "refuted"]
    ]  # fmt: skip


def test_json_has_all_verdicts_as_values():
    rows = json.loads(as_json(JUDGED))
    assert [(row["sweep"], row["id"], row["decision"]) for row in rows] == [
        ("digits", ABOVE.id, "undecided"), ("digits", PEAK.id, "confirmed"), ("digits", SAME.id, "not_tested"),
        ("cifar10", PEAK.id, "refuted"),
    ]  # fmt: skip
    assert rows[1]["effects"][0]["low"] == 0.4 and rows[1]["counts"] == [
        {"number": 3, "total": 4, "what": "lines peak", "detail": ""}
    ]
    assert rows[0]["effects"][0]["low"] is None and rows[1]["source"] == "paper"
