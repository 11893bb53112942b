"""A local S3 server whose every request takes 20 ms more, and the commands on 1,000 runs there."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path

import moto.server
from werkzeug.serving import make_server

from sweeps.storage.filesystems import to_path
from sweeps.storage.packing.compaction import compact
from sweeps.storage.sweep_store import Store
from tests.benchmarks.large_store import commands, seconds
from tests.benchmarks.many_runs import write_store
from tests.benchmarks.measure import report

DELAY_SECONDS = 0.02
RUNS = 1000


class Delayed:
    """A WSGI application that waits before it answers, and counts its requests."""

    def __init__(self, application):
        self.application, self.requests = application, 0

    def __call__(self, environ, start_response):
        self.requests += 1
        time.sleep(DELAY_SECONDS)
        return self.application(environ, start_response)


def main() -> None:
    application = Delayed(moto.server.DomainDispatcherApplication(moto.server.create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
    }
    bucket, rows = to_path("s3://many"), []
    bucket.fs.mkdir("many")
    with tempfile.TemporaryDirectory() as folder:
        grid = write_store(Path(folder), RUNS)
        for packed in (False, True):
            if packed:
                compact(Store(Path(folder) / "many"))
                bucket.fs.rm("many/many", recursive=True)
            bucket.fs.put(f"{folder}/many", "many/", recursive=True)
            for name, command in commands("s3://many", grid).items():
                application.requests = 0
                taken, asked = seconds(*command), application.requests
                rows.append({"command": name, "packed": packed, "wall s": taken.wall, "cpu s": taken.cpu,
                             "requests": asked, "at most s": 30.0})  # fmt: skip
    report("delayed_s3", f"Commands on {RUNS:,} runs at a URL, 20 ms a request", rows)
