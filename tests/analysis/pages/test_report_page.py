"""The report as a page: content, and what a browser makes of it."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis.pages.claims_section import JudgedClaim
from analysis.pages.html_page import embed, render_template
from analysis.pages.overview import overview, strip
from analysis.pages.provenance import Provenance, provenance
from analysis.pages.reproduction import selections
from analysis.results.results import open_results
from analysis.verdicts.verdict import Decision
from sweeps.storage.sweep_store import Store
from tests.browser import BROWSER, browse
from tests.conftest import invoke
from tests.synthetic import law, spec, write_run, write_sweep

PROBE = """<script>addEventListener('load', () => {
const heads = [...document.querySelectorAll('th')].filter(th => th.textContent === 'α'), th = heads[0];
const column = () => [...th.closest('table').tBodies[0].rows].map(
    r => Number(r.cells[[...th.parentNode.children].indexOf(th)].dataset.value));
th.click(); const up = column(); th.click(); const down = column();
parent.postMessage(JSON.stringify({up, down, wide: document.documentElement.scrollWidth > innerWidth,
    inner: innerWidth, broken: [...document.images].filter(i => !i.naturalWidth).length,
    links: [...document.querySelectorAll('a[href^="#"]')].filter(a => !document.getElementById(a.hash.slice(1))).length,
    contents: document.querySelectorAll('#contents a').length, filtered: (() => {
        const input = document.querySelector('.tools input'), table = input.closest('.tools').nextElementSibling;
        input.value = 'D = 64'; input.oninput();
        const shown = [...table.querySelectorAll('tbody tr')].filter(row => !row.hidden);
        const place = [...table.querySelectorAll('th')].findIndex(th => th.textContent === 'D');
        return shown.length && new Set(shown.map(row => row.cells[place].textContent)).size})(),
    unnamed: [...document.images].filter(image => !image.alt).length,
    hidden: [...document.querySelectorAll('.claims td')].filter(
        cell => cell.getBoundingClientRect().right > innerWidth).length
}), '*');
});</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The report of a small sweep with a diverged run whose error is HTML."""
    store = write_sweep(tmp_path_factory.mktemp("report") / "known")
    curve = law(64, 64, 8, np.arange(1, 50) * 1e9)
    write_run(store, spec(64, 64, 8), curve, status="diverged", error="<script>x</script>")
    ran = invoke("report", store.root)
    assert ran.returncode == 0, ran.stderr
    return store.root / "report.html"


def test_it_holds_claims_figures_failures_and_no_network(page):
    text = page.read_text()
    assert text.count("data:image/png;base64,") == 10
    verdicts = dict(re.findall(r"<strong>([^<]*)</strong>.*?<span class=([a-z-]+)>", text, re.DOTALL))
    for claim in ("Peak at P = D", "Shallower power laws at P = D", "One form of law in every cell"):
        assert [verdict for said, verdict in verdicts.items() if said == claim] == ["confirmed"]
    assert "The percent error peaks at P = D." in text
    assert "&lt;script&gt;x" in text and "<script>x" not in text
    assert not re.search(r"(src\s*=\s*['\"]?|url\()(https?:|//)", text) and "arxiv.org/abs/2406.09366" in text
    assert "largest at P = D; 4 of 12 have a peak that noise does not explain." in text
    assert "Cells that did not finish" in text and "Selected laws" in text


def test_formulas_are_shown_as_formulas_and_nothing_is_escaped_twice(page):
    text = page.read_text()
    forms = text.partition("How the forms compare")[2].partition("</table>")[0]
    assert forms.count("e<sub>∞</sub> + A (x + x<sub>0</sub>)<sup>−α</sup></td>") == 2
    assert not re.search(r"&lt;/?su[bp]&gt;|&amp;(lt|gt|amp|quot|#\d+);", text)
    reasons = pd.DataFrame({"reason": ["the interval of x0 reaches its bound", None, "<x0>"], "P": [1, 2, 3]})
    table = render_template("provenance.html", source=Provenance(False, reasons, []))
    cells = ("the interval of x<sub>0</sub> reaches its bound", "", "&lt;x<sub>0</sub>&gt;")
    assert re.findall("<tr><td[^>]*>(.*?)</td>", table) == list(cells)


def test_names_are_escaped_wherever_the_page_shows_them(tmp_path):
    """A sweep's name, a column of classes, a data set, a grid file, a picture's name and a claim's explanation."""
    evil = "<script>alert('x')</script>"
    (tmp_path / f"{evil.replace('/', '_')}.png").write_bytes(bytes(24))
    pictures = embed(list(tmp_path.glob("*.png")))
    values = {"collapsed": pd.DataFrame(), "finished": pd.DataFrame({evil: [evil]}), "analysis": None}
    store = write_sweep(tmp_path / "known", sizes=(64,), views=(2,), steps=40)
    values |= {"findings": [evil], "strip": [(evil, evil)], "commands": [evil], "grid_file": evil}
    runs = open_results(store.root).runs().assign(sweep=evil, dataset=evil, device=evil)
    values |= {"unfinished": runs[["sweep", "device"]], "source": provenance(runs), "title": evil, "grid": evil}
    text = render_template("report.html", overview=overview(runs), remarks=[evil], **values)
    claim = JudgedClaim(evil, evil, Decision.REFUTED, evil, evil, evil, [pictures[0].name])
    claims = {"of_objectives": [{"name": evil, "opened": True, "counts": evil, "claims": [claim]}] * 2, "of_sweep": []}
    text += render_template("claims.html", analysis={"claims": claims})
    compared = {"differing": runs[["sweep"]], "sentences": [evil], "compared": runs[["device"]], "pictures": pictures}
    text += render_template("comparison.html", title=evil, fits=runs[["dataset"]], source=provenance(runs), **compared)
    assert "alert" in text and "<script>alert" not in text
    assert not re.search(r"(id|href|alt)='[^']*[<>]", text)


def test_a_price_is_multiplied_by_the_device_hours(tmp_path):
    runs = open_results(write_sweep(tmp_path / "known", sizes=(64,), views=(2,), steps=40).root).runs()
    assert overview(runs.assign(wall_seconds=7200.0 / len(runs)), 2.5).endswith("2.00 device-hours (5.00 at 2.5 each).")


@pytest.mark.parametrize(
    ("versions", "hours"),
    [
        ({"device": "cuda", "devices": 0.25, "threads": 8}, "0.50"),  # four cells shared a GPU
        ({"device": "cpu", "devices": 3.0, "threads": 3}, "6.00"),
        ({"device": "cpu", "threads": 2}, "4.00"),  # of older rows
        ({"device": "cuda", "threads": 8}, "2.00"),
    ],
)
def test_device_hours_are_of_all_runs_and_of_what_they_held(versions, hours, tmp_path):
    runs = open_results(write_sweep(tmp_path / "known", sizes=(64,), views=(2,), steps=40).root).runs()
    paid = runs.assign(wall_seconds=7200.0 / len(runs), versions=json.dumps(versions), status="failed")
    assert f" {hours} device-hours" in overview(paid)


def test_every_claim_links_to_the_figures_behind_it(page):
    text = page.read_text()
    for name in re.findall(r"href='#(\w+)'", text):
        assert f"id='{name}'" in text
    assert len(re.findall(r"href='#\w+'", text)) >= 4


def test_the_commands_name_the_cells_that_were_run_and_no_others():
    cells = [(P, D, 2, seed) for P in (64, 128) for D in (32, 64) for seed in (0, 1)] + [(64, 64, 4, 0)]
    runs = pd.DataFrame(cells, columns=["P", "D", "K", "seed"])
    assert selections(runs) == ["K=2,P=64|128,D=32|64,seed=0|1", "K=4,P=64,D=64,seed=0"]
    assert selections(runs[(runs["K"] == 2) & (runs["seed"] == 0) & ((runs["P"] == 64) | (runs["D"] == 32))]) == [
        "K=2,P=128,D=32",
        "K=2,P=64,D=32|64",
    ]


def test_the_strip_says_what_was_run_where_and_when(own):
    said = dict(strip(open_results(own).runs()))
    assert said["Runs"] == "18 finished" and said["Failures"] == "none" and said["Hardware"] == "synthetic"
    assert said["Dates"] == "2026-01-01" and len(said["Commit"]) == 10


def test_mixed_code_versions_are_a_warning(own):
    assert not provenance(open_results(own).runs()).mixed
    write_run(Store(own), spec(512, 64, 2), law(512, 64, 2, np.arange(1, 101) * 1e9), git_commit="0" * 40)
    text = render_template("provenance.html", source=provenance(open_results(own).runs()))
    assert "class=warning>Runs of different code" in text


@BROWSER
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_draws_it_sorts_its_tables_and_scrolls_down_only(page, tmp_path, width):
    probed = tmp_path / "probed.html"
    probed.write_text(page.read_text().replace("</body>", PROBE + "</body>"))
    frame = tmp_path / "frame.html"  # a window is never narrower than 500 pixels, a frame is
    frame.write_text(
        f"<iframe src=probed.html style='width:{width}px;height:900px;border:0'></iframe>"
        "<script>onmessage = event => document.title = event.data</script>"
    )
    shot = tmp_path / "shot.png"
    ran = browse(
        tmp_path,
        "--enable-logging=stderr",
        "--window-size=1400,900",
        "--virtual-time-budget=5000",
        "--dump-dom",
        f"file://{frame}",
    )
    found = re.search(r"<title>(\{.*?\})</title>", ran.stdout)
    assert found, ran.stderr
    seen = json.loads(found.group(1).replace("&quot;", '"'))
    assert seen["up"] == sorted(seen["up"]) and seen["down"] == sorted(seen["up"], reverse=True)
    assert len(seen["up"]) > 10
    assert (seen["inner"], seen["wide"], seen["broken"], seen["links"]) == (width, False, 0, 0)
    assert (seen["filtered"], seen["unnamed"], seen["hidden"]) == (1, 0, 0) and seen["contents"] > 6
    assert "CONSOLE" not in ran.stderr
    browse(tmp_path, f"--window-size={width},1400", f"--screenshot={shot}", f"file://{page}")
    image = np.asarray(Image.open(shot).convert("L"))
    assert image.shape[1] == width
    assert 0.01 < (image < 128).mean() < 0.5
