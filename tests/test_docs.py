"""What the documentation points to is there."""

import fnmatch
import re

import pytest
import yaml

from analysis.verdicts.registry import all_claims
from sweeps.config.grid_file import load_grid
from tests.conftest import REPOSITORY
from tests.pages import PAGES, anchors, prose

ARCHITECTURE = REPOSITORY / "docs/architecture.md"
RULES = "docs/analysis.md"
PLACEHOLDER = "analysis/plot_NAME.py"
GRIDS = {
    f"{page.stem}-{i}": block
    for page in PAGES
    if page.name != "config_reference.md"  # see test_config_reference
    for i, block in enumerate(re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.S | re.M))
    if "my_module" not in block and not block.startswith("path:")  # code of the reader's; spellings of one key
}
NEEDED = {"name": "shown", "dataset": "digits", "P": "32", "D": "16", "K": "2", "budget": "{steps: 12}"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_image_leads_somewhere(page):
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if "://" not in link]
    targets = [(link, *link.partition("#")[::2]) for link in links]
    lost = []
    for link, name, anchor in targets:
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


def test_every_page_is_in_the_navigation_of_the_site():
    listed = set(re.findall(r"- ([\w.]+\.md)$", (REPOSITORY / "mkdocs.yml").read_text(), re.M))
    generated = {"index.md", "commands.md", "CHANGELOG.md", "CONTRIBUTING.md"}
    assert listed - generated == {page.name for page in (REPOSITORY / "docs").glob("*.md")}


@pytest.mark.parametrize(("page", "most"), [("README.md", 160), ("docs/results.md", 400)])
def test_a_page_is_short_and_has_a_place_for_the_claims(page, most):
    lines = (REPOSITORY / page).read_text().splitlines()
    assert len(lines) <= most
    assert lines.index("<!-- claims: written by analysis/claims.py -->") < lines.index("<!-- end of claims -->")


def test_pages_call_claims_by_the_same_names_in_one_order_and_the_readme_fits_a_terminal():
    names = [claim.name.replace("_", "\\_") for claim in all_claims()]
    readme, results, rules = ((REPOSITORY / page).read_text() for page in ("README.md", "docs/results.md", RULES))
    assert re.findall(r"^\*\*(.*?)\.\*\* ", results, re.M) == names
    assert [name for name in re.findall(r"^\| ([^|]+?) \| ", readme, re.M) if name in names] == names
    assert re.findall(r"^\| (.+?) \|", rules.partition("| claim | confirmed |")[2], re.M)[: len(names)] == [
        claim.name for claim in all_claims()
    ]
    table = readme.partition("<!-- claims")[2].partition("<!-- end of claims")[0]
    assert max(map(len, table.splitlines())) <= 100


def test_the_readme_cites_what_the_citation_file_says():
    entry = re.search(r"```bibtex\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.S)[1]
    fields = {
        name: " ".join(value.strip("{}").split()) for name, value in re.findall(r"(\w+) = \{(.*?)\}[,}]", entry, re.S)
    }
    said = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert fields.keys() == {"author", "title", "year", "version", "url"}
    assert (fields["title"], fields["version"]) == (said["title"], said["version"])
    assert fields["author"].lower() == said["authors"][0]["name"]


@pytest.mark.parametrize("block", GRIDS.values(), ids=GRIDS.keys())
def test_a_grid_that_a_page_shows_can_be_launched(block, tmp_path):
    missing = [f"{key}: {value}\n" for key, value in NEEDED.items() if not re.search(f"^{key}:", block, re.M)]
    file = tmp_path / "grid.yaml"
    file.write_text("".join(missing) + re.sub(r"^ +zero_shot:.*\n", "", block, flags=re.M))  # ImageNet is not here
    assert load_grid(file).cells


def test_files_and_targets_that_the_documentation_names_are_there():
    text = "".join(page.read_text() for page in PAGES)
    files = set(re.findall(r"\b((?:sweeps|analysis|mmcr_core|tests)/[\w/.-]+\.(?:py|yaml|sh))\b", text))
    assert len(files) > 20
    assert [file for file in sorted(files) if not (REPOSITORY / file).is_file()] == [PLACEHOLDER]
    targets = set(re.findall(r"`make ([\w-]+)|^make ([\w-]+)", text, re.M))
    known = re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(), re.M)
    assert {one or other for one, other in targets} <= set(known)


@pytest.mark.parametrize("package", ["mmcr_core", "sweeps", "analysis"])
def test_the_map_names_every_package_and_every_file_at_the_top(package):
    _, _, below = ARCHITECTURE.read_text().partition(f"\n{package}/")
    section = re.split(r"^\S", below, maxsplit=1, flags=re.M)[0]
    words = set(re.findall(r"[\w*]+(?:\.py|/)", section))
    folder = REPOSITORY / package
    folders = [path for path in folder.iterdir() if path.is_dir() and path.name[0] not in "_."]
    files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    here = [f"{one.name}/" for one in folders] + [file.name for file in files]
    assert [name for name in here if not any(fnmatch.fnmatch(name, word) for word in words)] == []
    assert [word for word in words if "*" not in word and word not in here] == []


def test_the_path_of_a_run_names_existing_files():
    section = ARCHITECTURE.read_text().partition("## Life of a run")[2].partition("\n## ")[0]
    for name in re.findall(r"`([\w/]+\.py)`", section):
        assert list(REPOSITORY.glob(name)) + list(REPOSITORY.glob(f"[sa]*/{name}")), name
