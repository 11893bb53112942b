"""The command: claims of a sweep in the terminal, and in a page that has a place for them."""

import json
import re
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.claims import BEGIN, END
from tests import synthetic
from tests.conftest import invoke


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return synthetic.write_sweep(tmp_path_factory.mktemp("claims") / "sweep", (64, 128, 256), (2,), steps=400).root


def test_a_sweep_is_judged_in_the_terminal_and_in_a_page(sweep, tmp_path):
    said = invoke("claims", sweep)
    assert said.returncode == 0 and "Peak at P = D" in said.stdout, said.stderr
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\n{END}\nafter\n")
    short = tmp_path / "short.md"
    short.write_text(page.read_text())
    assert invoke("claims", sweep, "--write", page, "--summary", short).returncode == 0
    assert "| Peak at P = D | ? 6/6 |" in short.read_text()
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n")
    assert "| sweep | verdict | lines have their largest error at P = D | are clearly lower on both sides |" in text
    assert "| sweep | undecided | 6/6 | 2/6 |" in text
    assert re.search(r"most expensive runs lie inside .*\n.*\n.* \d+/\d+ \(all of P = 256\) \|", text)
    assert "ResNet-18 on STL-10" not in text  # this sweep says that it is of STL-10
    assert "| MMCR against other families | `sweeps/grids/" in text.partition("### Not tested")[2]
    assert "DataComp, the paper's setting | `sweeps/grids/datacomp-small.yaml` |" in text


def test_json_holds_the_same_verdicts_as_values(sweep):
    ran = invoke("claims", sweep, "--json")
    rows = {row["id"]: row for row in json.loads(ran.stdout)}
    assert ran.returncode == 0 and rows["peak_at_p_equal_d"]["decision"] == "undecided"
    assert rows["peak_at_p_equal_d"]["counts"][0] == {
        "number": 6, "total": 6, "what": "lines have their largest error at P = D", "detail": ""
    }  # fmt: skip
    assert rows["matches_other_families"]["decision"] == "not_tested"
    twice = ("--write", "a.md", "--summary", "a.md")
    for pages, says in ((("--json", "--write", "a.md"), "leave --write"), (twice, "same page")):
        refused = invoke("claims", sweep, *pages)
        assert refused.returncode == 2 and says in refused.stderr


def test_a_page_without_a_place_for_the_table_is_refused_as_it_is(sweep, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("no markers\n")
    for target, said in ((page, "has no place for it"), (tmp_path / "none.md", "cannot be read")):
        ran = invoke("claims", sweep, "--write", target)
        assert ran.returncode == 2 and said in ran.stderr and len(ran.stderr.splitlines()) == 1
    assert page.read_text() == "no markers\n"


def test_sweeps_of_one_name_are_told_apart_and_one_without_mmcr_is_said(sweep, tmp_path):
    other = shutil.copytree(sweep, tmp_path / sweep.name)
    for path in (other / "runs").glob("*.parquet"):
        table = pq.ParquetFile(path).read()
        simclr = pa.array(["simclr"] * table.num_rows)
        spec = pa.array([text.replace('"mmcr"', '"simclr"') for text in table["spec"].to_pylist()])
        table = table.set_column(table.schema.get_field_index("objective"), table.schema.field("objective"), simclr)
        table = table.set_column(table.schema.get_field_index("spec"), table.schema.field("spec"), spec)
        pq.write_table(table, path)
    ran = invoke("claims", sweep, other, sweep)
    assert ran.returncode == 0, ran.stderr
    assert str(sweep) in ran.stdout and str(other) not in ran.stdout
    assert f"{other} has too few finished runs of MMCR for any claim, or none" in " ".join(ran.stderr.split())
