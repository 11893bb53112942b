"""`sweeps/config_reference.py`: what it prints, and the page that it writes, which is as true as the grids on it."""

import re
import shutil

import pytest
from typer.testing import CliRunner

from sweeps import config_reference
from sweeps.config.grid_file import GridError, load_grid
from sweeps.config.key_reference import BEGIN, END
from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "config_reference.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)


def ran(*arguments):
    return CliRunner().invoke(config_reference.app, [str(argument) for argument in arguments])


def test_the_page_is_the_one_that_the_command_writes(tmp_path):
    page = tmp_path / "config_reference.md"
    shutil.copy(PAGE, page)
    assert ran("--write", page).exit_code == 0
    assert page.read_text() == PAGE.read_text(), "run: make docs"


def test_what_stands_outside_the_markers_stays(tmp_path):
    page, begin, end = tmp_path / "page.md", BEGIN, END
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    ran("--write", page)
    assert page.read_text().startswith(f"before\n{begin}\n\n### Top level\n")
    assert page.read_text().endswith(f"\n{end}\nafter\n")
    assert "old" not in page.read_text().split("\n")


def test_all_keys_fit_a_hundred_columns():
    printed = ran().stdout
    assert max(map(len, printed.splitlines())) <= 100
    assert {"name", "optimizer.learning_rate", "objective.temperature  (simclr)"} <= set(printed.splitlines())


def test_a_key_shows_itself_and_what_stands_inside_it():
    heads = [line.split()[0] for line in ran("checkpoint").stdout.splitlines() if not line.startswith(" ")]
    assert heads == ["checkpoint", "checkpoint.every_seconds", "checkpoint.keep"]


def test_the_committed_schema_is_the_one_that_the_command_writes(tmp_path):
    assert ran("--schema", tmp_path / "made.json").exit_code == 0
    assert (tmp_path / "made.json").read_text() == (REPOSITORY / "sweeps/grid.schema.json").read_text(), (
        "run: make docs"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["learning_rate"], "'learning_rate' is not a key of a grid file; did you mean 'optimizer.learning_rate'?"),
        (["optimizr"], "'optimizr' is not a key of a grid file; did you mean 'optimizer'?"),
        (["qqqq"], "'qqqq' is not a key of a grid file; use one of name, objective, dataset, "),
        (["optimizer", "--write", "docs/config_reference.md"], "--write: writes all keys; leave the key out"),
        (
            ["--write", REPOSITORY / "LICENSE"],
            "LICENSE has no place for it: give a page with the lines '<!-- config reference: ",
        ),
        (["--write", "no-such-page.md"], "no-such-page.md cannot be read: No such file or directory"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, said):
    result = ran(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_pages_grid_is_four_runs_and_its_mistake_says_what_the_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "grid.yaml"
    path.write_text(BLOCKS[0])
    assert len(load_grid(path).cells) == 4
    path.write_text(BLOCKS[0].replace("P: [16, 32]", "P: 2048"))
    with pytest.raises(GridError) as raised:
        load_grid("grid.yaml")
    assert f"\n{raised.value}\n" in PAGE.read_text()


@pytest.mark.parametrize("line", BLOCKS[1].splitlines())
def test_a_line_to_add_is_an_axis_of_as_many_values_as_the_page_says(line, tmp_path):
    added, _, count = line.partition("#")
    replaced = added.partition(":")[0]
    rest = [one for one in BLOCKS[0].splitlines() if one.partition(":")[0] != replaced]
    path = tmp_path / "grid.yaml"
    path.write_text("\n".join([*rest, added]))
    assert len(load_grid(path).cells) == 4 * int(count.split(",")[0])
