"""The live page: from a server on this machine alone, and as a file; both in a real browser where there is one."""

import html
import http.client
import json
import re
import threading
from contextlib import contextmanager

import numpy as np
import pytest

from analysis.explorer.server import LiveServer
from analysis.results.errors import ResultsError
from tests.browser import BROWSER, browse
from tests.conftest import invoke
from tests.synthetic import FLOPS, law, spec, write_run, write_sweep

SETTLED = """<script>
(async () => {
  const until = async test => { while (!test()) await new Promise(done => setTimeout(done, 50)); };
  const drawn = () => document.body.dataset.drawn;
  await until(drawn);
  const all = drawn();
  by("K").value = "4"; by("P").value = "128";
  by("P").dispatchEvent(new Event("change"));
  await until(() => drawn() !== all);
  const lines = document.querySelectorAll("#curves .scatterlayer .js-line").length, cells = by("map").data[0].z;
  const found = {all, chosen: drawn(), lines, cells, refused: document.querySelectorAll(".no-webgl").length};
  state.cells.error.fill(null);
  drawMap();
  const ticks = [...document.querySelectorAll("#map .xtick text")].map(one => one.textContent);
  document.title = JSON.stringify({...found, ticks,
    hover: by("curves").data[0].hovertemplate, wide: document.documentElement.scrollWidth > innerWidth});
})();
</script>"""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return write_sweep(tmp_path_factory.mktemp("live") / "sweep", sizes=(64, 128), views=(2, 4), steps=300).root


@contextmanager
def serving(root, kind=LiveServer):
    with kind(root) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def get(server, path, host=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.request("GET", path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    return answer, answer.read()


def test_it_serves_cells_and_the_curves_that_are_asked_for(sweep):
    with serving(sweep) as server:
        cells = json.loads(get(server, "/cells.json")[1])
        assert len(cells["cells"]["run_id"]) == 8 and cells["counts"] == {"finished": 8}
        same = json.loads(get(server, f"/cells.json?digest={cells['digest']}")[1])
        assert same == {"digest": cells["digest"]}
        wanted = cells["cells"]["run_id"][:2]
        curves = json.loads(get(server, "/curves.json?runs=" + ",".join([*wanted, "absent"]))[1])
        assert set(curves["runs"]) == set(wanted)
        page, text = get(server, "/")
        assert b"<h1>sweep</h1>" in text and "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert len(get(server, "/plotly.js")[1]) > 1e6


def test_it_answers_nobody_else_and_writes_nothing(sweep):
    before = sorted(path.name for path in sweep.rglob("*"))
    with serving(sweep) as server:
        assert server.server_address[0] == "127.0.0.1"
        assert get(server, "/", host=f"evil.example:{server.server_port}")[0].status == 403
        assert get(server, "/../../etc/passwd")[0].status == 404
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
        connection.request("POST", "/cells.json")
        assert connection.getresponse().status == 501
        get(server, "/cells.json")
    assert sorted(path.name for path in sweep.rglob("*")) == before


def test_a_run_that_ends_changes_what_is_served(tmp_path):
    store = write_sweep(tmp_path / "sweep", sizes=(64,), views=(2,), steps=60)
    with serving(store.root) as server:
        first = json.loads(get(server, "/cells.json")[1])
        server._again = 0.0
        write_run(store, spec(64, 64, 2, seed=1, steps=60), law(64, 64, 2, np.arange(1, 61) * FLOPS))
        second = json.loads(get(server, f"/cells.json?digest={first['digest']}")[1])
    assert len(second["cells"]["run_id"]) == 2


def test_a_store_that_cannot_be_read_is_said_and_the_server_goes_on(tmp_path, monkeypatch):
    store = write_sweep(tmp_path / "sweep", sizes=(64,), views=(2,), steps=60)
    with serving(store.root) as server:
        run = json.loads(get(server, "/cells.json")[1])["cells"]["run_id"][0]
        (chunk,) = (store.root / "trajectories" / run).iterdir()
        whole = chunk.read_bytes()
        chunk.write_bytes(b"half")
        answer, text = get(server, f"/curves.json?runs={run}")
        assert answer.status == 503 and b"cannot be read" in text
        chunk.write_bytes(whole)
        assert get(server, f"/curves.json?runs={run}")[0].status == 200


def test_mistakes_are_a_sentence(sweep, tmp_path):
    for arguments, says in (
        ((tmp_path / "none", "--serve"), "is not a folder"),
        ((tmp_path, "--explore"), "holds no cells yet"),
        ((sweep, sweep, "--serve"), "--serve: shows one sweep"),
        ((sweep, "--serve", "--explore"), "--serve: shows one sweep"),
        ((sweep, "--serve", "-o", "page.html"), "--output: is not for --serve"),
        ((sweep, "--explore", "--best-over", "seed"), "--best-over: is not for --explore"),
        ((sweep, "--explore", "--price", "2"), "--price: is not for --explore"),
        ((sweep, "--price", "inf"), "--price: inf is no price; give a number such as 2.5"),
    ):
        ran = invoke("report", *arguments)
        assert ran.returncode == 2 and says in ran.stderr and ran.stderr.count("\n") == 1
    with pytest.raises(ResultsError):
        LiveServer(tmp_path)


@pytest.fixture(scope="module")
def offline(sweep):
    ran = invoke("report", sweep, "--explore")
    assert ran.returncode == 0, ran.stderr
    return sweep / "explore.html"


def test_the_file_needs_no_network(offline):
    text = re.sub(r"<script>/\*\*.*?</script>", "", offline.read_text(), count=1, flags=re.S)
    assert not re.search(r"(src|href)\s*=\s*['\"]?(https?:|//)", text) and "Plotly.react" in text


def title(dom):
    return json.loads(html.unescape(re.search(r"<title>(\{.*?\})</title>", dom)[1]))


def settled(text):
    return text.replace("</body>", SETTLED + "</body>")


def check(found):
    assert (found["all"], found["chosen"], found["wide"]) == ("4", "2", False)
    assert (found["lines"], found["refused"]) == (2, 0)  # also where there is no WebGL
    assert found["ticks"] == ["64", "128"]  # also where no run has ended
    assert len(found["cells"]) == 2 and None not in found["cells"][0]
    assert "P = 128" in found["hover"] and "K = 4, seed 0" in found["hover"] and "run " in found["hover"]


@BROWSER
def test_the_file_draws_and_filters_in_a_browser(offline, tmp_path):
    page = tmp_path / "settled.html"
    page.write_text(settled(offline.read_text()))
    ran = browse(tmp_path, "--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom", f"file://{page}")
    check(title(ran.stdout))
    assert "Uncaught" not in ran.stderr


@BROWSER
def test_the_page_of_the_server_draws_filters_and_follows_the_store_in_a_browser(tmp_path):
    store = write_sweep(tmp_path / "sweep", sizes=(64, 128), views=(2, 4), steps=300)

    class Growing(LiveServer):
        """A run ends before the page looks for the second time."""

        looks = 0

        def cells(self):
            self.looks += 1
            if self.looks == 3:  # the first is the server's own
                write_run(store, spec(64, 64, 2, seed=1, steps=300), law(64, 64, 2, np.arange(1, 301) * FLOPS))
            self._again = 0.0
            return super().cells()

        def page(self):
            return settled(super().page()).replace("await until(drawn);", "await until(() => drawn() === '5');")

    with serving(store.root, Growing) as server:
        ran = browse(tmp_path, "--enable-logging=stderr", "--virtual-time-budget=60000", "--dump-dom", server.url)
    found = title(ran.stdout)
    check(found | {"all": "4"})
    assert found["all"] == "5" and "9 cells: 9 finished" in ran.stdout and "Uncaught" not in ran.stderr
