"""YAML as its version 1.2 means it."""

import math

import pytest

from sweeps.config.yaml_lines import Marked, YamlError, parse, to_yaml

CORE_SCHEMA = {  # plain scalar -> its value by YAML 1.2.2, section 10.3.2
    "": None, "~": None, "null": None, "Null": None, "NULL": None, "nULL": "nULL",
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "yes": "yes", "no": "no", "on": "on", "off": "off", "y": "y", "n": "n", "tRUE": "tRUE",
    "0": 0, "-0": 0, "+12": 12, "-19": -19, "016": 16, "010": 10, "0100": 100, "009": 9, "-007": -7,
    "0o7": 7, "0o14": 12, "0o8": "0o8", "-0o7": "-0o7", "0x3A": 58, "0xff": 255, "0xg": "0xg", "-0x1": "-0x1",
    "0b11": "0b11", "1_000": "1_000", "1:30": "1:30", "190:20:30": "190:20:30", "1:30.5": "1:30.5",
    "0.": 0.0, "-0.0": -0.0, ".5": 0.5, "+12e03": 12000.0, "-2E+05": -200000.0, "1e3": 1000.0, "1e-3": 0.001,
    "1.5e-3": 0.0015, "012.5": 12.5, "1_0.5": "1_0.5", "1e": "1e", ".": ".", "e3": "e3", "1.e3": 1000.0, ".5e1": 5.0,
    ".inf": math.inf, "-.Inf": -math.inf, "+.INF": math.inf, ".iNF": ".iNF", "inf": "inf", "nan": "nan",
    "2001-12-14": "2001-12-14", "2001-12-14t21:59:43.10-05:00": "2001-12-14t21:59:43.10-05:00", "=": "=",
}  # fmt: skip


@pytest.mark.parametrize("text", CORE_SCHEMA)
def test_plain_scalars_are_those_of_the_core_schema(text):
    found, meant = parse(f"key: {text}\n").value["key"].value, CORE_SCHEMA[text]
    assert (type(found), found) == (type(meant), meant)
    assert math.copysign(1, found) == math.copysign(1, meant) if isinstance(meant, float) else True


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_not_a_number_is_a_float(text):
    assert math.isnan(parse(f"key: {text}").value["key"].value)


@pytest.mark.parametrize("quote", "'\"")
def test_quotes_make_text(quote):
    assert {parse(f"key: {quote}{text}{quote}").value["key"].value for text in CORE_SCHEMA} == set(CORE_SCHEMA)


def test_texts_and_numbers_of_a_mapping_survive_being_written():
    given = {"texts": list(CORE_SCHEMA), "values": [value for value in CORE_SCHEMA.values() if value == value]}
    found = parse(to_yaml(given)).value
    for key, values in given.items():
        assert [(type(one.value), one.value) for one in found[key].value] == [(type(one), one) for one in values]


def plain(marked: Marked):
    if isinstance(marked.value, dict):
        return {key: plain(child) for key, child in marked.value.items()}
    return [plain(child) for child in marked.value] if isinstance(marked.value, list) else marked.value


def test_a_mapping_overrides_what_it_merges():
    text = "x-a: &a {p: 1, q: 1}\nx-b: &b {q: 2, r: 2}\none: {<<: *a, q: 3}\nmany: {r: 9, <<: [*a, *b]}\n"
    found = plain(parse(text + "copy: &c {<<: *a}\nagain: {<<: *c, p: 0}\ntwice: *c\n"))
    assert found["one"] == {"p": 1, "q": 3}
    assert found["many"] == {"p": 1, "q": 1, "r": 9}
    assert (found["again"], found["twice"]) == ({"p": 0, "q": 1}, {"p": 1, "q": 1})


def test_only_mappings_are_merged_and_keys_still_stand_once():
    with pytest.raises(YamlError, match="<< takes a mapping") as raised:
        parse("a: 1\nb: {<<: [1]}\n")
    assert raised.value.line == 2
    with pytest.raises(YamlError, match="'p' stands twice"):
        parse("a: &a {p: 1}\nb: {<<: *a, p: 2, p: 3}\n")


def test_aliases_that_make_millions_of_values_are_refused():
    levels = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(YamlError, match="aliases make more than 1,000,000 values"):
        parse("\n".join(levels))


def test_a_nul_in_a_text_is_named_with_its_line():
    with pytest.raises(YamlError, match="holds a NUL") as raised:
        parse('name: x\ndataset: {name: folder, path: "a\\0b"}')
    assert raised.value.line == 2
