"""A server of the live page on this machine alone: it reads the store, and writes nothing."""

from __future__ import annotations

import json
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
from plotly.offline import get_plotlyjs

from analysis.explorer.page import live_page
from analysis.explorer.sweep_state import SweepState, packed_curves
from analysis.results.errors import ResultsError
from sweeps.cli.errors import UserError

MOST_CURVES = 1000  # of one answer
PATIENCE = 5.0  # times as long as reading took the last time, before the store is looked at again
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
    "img-src data: blob:"
)
UNREADABLE = (ResultsError, UserError, OSError, pa.ArrowException)  # a store that changes while it is read


class LiveServer(ThreadingHTTPServer):
    """Serves the sweep at `root` on 127.0.0.1, at a free port where `port` is 0. Raises ResultsError where there are no
    cells."""

    daemon_threads = True

    def __init__(self, root: Path, port: int = 0) -> None:
        self._root, self._lock = root, threading.Lock()
        self._state: SweepState | None = None
        self._cells: dict[str, Any] = {}
        self._again = 0.0
        self.cells()
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.server_port}/"

    def cells(self) -> dict[str, Any]:
        """As SweepState has them; read again where the store has changed."""
        with self._lock:
            if time.monotonic() >= self._again:
                began = time.monotonic()
                state = SweepState(self._root)
                if self._state is None or state.digest != self._state.digest:
                    self._cells, self._state = state.cells(), state
                self._again = time.monotonic() + PATIENCE * (time.monotonic() - began)
            return self._cells

    def curves(self, runs: list[str]) -> dict[str, Any]:
        """Of these runs, as `packed_curves` has them."""
        return packed_curves(SweepState(self._root).curves(runs[:MOST_CURVES]))

    def page(self) -> str:
        """The page itself."""
        return live_page(self._cells["name"])


class _Handler(BaseHTTPRequestHandler):
    server: LiveServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        host = self.headers.get("Host", "").rpartition(":")[0]
        if host not in ("127.0.0.1", "localhost"):  # a page elsewhere that has this address under its own name
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        asked = urlsplit(self.path)
        try:
            answer = self._content(asked.path, parse_qs(asked.query))
        except UNREADABLE as error:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, str(error), "text/plain")
            return
        if answer is None:
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            self._answer(HTTPStatus.OK, *answer)

    def _content(self, path: str, values: dict[str, list[str]]) -> tuple[str, str] | None:
        """Text and type of what is at a path; None where nothing is."""
        if path == "/":
            return self.server.page(), "text/html"
        if path == "/plotly.js":
            return get_plotlyjs(), "text/javascript"
        if path == "/cells.json":
            cells = self.server.cells()
            same = values.get("digest") == [cells["digest"]]
            return json.dumps({"digest": cells["digest"]} if same else cells), "application/json"
        if path == "/curves.json":
            return json.dumps(self.server.curves(values.get("runs", [""])[0].split(","))), "application/json"
        return None

    def _answer(self, status: HTTPStatus, text: str, kind: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Cache-Control", "max-age=86400" if kind == "text/javascript" else "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed for each request."""
