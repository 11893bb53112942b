"""The site of the documentation: it is built without a warning, and its search finds what strangers ask for."""

import html
import json
import re
import subprocess
import sys

import pytest

from tests.browser import BROWSER, browse
from tests.conftest import REPOSITORY

pytest.importorskip("mkdocs", reason="the extra docs is not installed")
QUESTIONS = {  # and the pages, of which one is among the first three answers
    "add a loss": "faq extending",
    "adaptive until": "adaptive_sweeps",
    "barlow twins": "objectives",
    "cite": "faq index",
    "clip siglip": "multimodal",
    "custom objective": "extending",
    "double descent": "results",
    "export encoder to timm": "results_store",
    "how long will it take": "faq",
    "interruptions crashes": "running_sweeps",
    "learning rate": "config_reference encoders_and_optimizers faq",
    "learning rate sweep": "faq",
    "multi GPU": "faq running_sweeps",
    "nearest neighbor accuracy": "measures",
    "nuclear norm": "python_api",
    "out of memory": "running_sweeps",
    "parquet files": "results_store",
    "power law irreducible": "analysis",
    "recommend flops": "commands analysis",
    "resume after crash": "running_sweeps",
    "S3 bucket": "results_store",
    "Slurm": "clusters",
    "slurm array": "clusters",
    "time limit": "running_sweeps",
    "use my own images": "faq extending config_reference",
    "wandb": "running_sweeps faq",
    "webdataset tar": "shards",
    "what is percent error": "faq",
    "why did my run diverge": "faq",
    "what was tested on a GPU": "benchmarks faq index",
}
ASK = """<script>
let receive, done
window.addEventListener = (_, heard) => receive = heard
window.postMessage = message => done(message)
</script>
<script src="search/search_index.js"></script><script src="assets/javascripts/workers/WORKER"></script>
<script>
const ask = (type, data) => new Promise(answer => { done = answer; receive({data: {type, data}}) })
ask(0, {...__index, options: {}}).then(async () => {
  const found = {}
  for (const question of QUESTIONS)
    found[question] = (await ask(2, question)).data.items.slice(0, 3).map(page => page[0].location.split(".html")[0])
  document.title = JSON.stringify(found)
})
</script>"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return folder


def test_nothing_is_fetched_from_elsewhere(site):
    fetched = re.compile(r"""(?:<script[^>]*src|<link[^>]*rel="stylesheet"[^>]*href|<img[^>]*src)=["']?(https?:|//)""")
    pages = list(site.glob("*.html"))
    assert len(pages) > 20 and [page.name for page in pages if fetched.search(page.read_text())] == []


@pytest.fixture(scope="module")
def answers(site, tmp_path_factory):
    """What the site's own search answers: the first three pages for each question."""
    (worker,) = (site / "assets/javascripts/workers").glob("search.*.js")
    page = site / "ask.htm"
    page.write_text(ASK.replace("WORKER", worker.name).replace("QUESTIONS", json.dumps(list(QUESTIONS))))
    folder = tmp_path_factory.mktemp("browser")
    ran = browse(
        folder, "--allow-file-access-from-files", "--virtual-time-budget=20000", "--dump-dom", f"file://{page}"
    )
    found = re.search(r"<title>(.*?)</title>", ran.stdout)
    assert found, ran.stderr
    return json.loads(html.unescape(found[1]))


@BROWSER
@pytest.mark.parametrize("question", QUESTIONS)
def test_search_finds_what_a_stranger_asks_for(question, answers):
    assert set(QUESTIONS[question].split()) & set(answers[question]), answers[question]
