"""Small shards for tests, and how to read them."""

from __future__ import annotations

import http.server
import io
import tarfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from mmcr_core.config.run import DatasetSpec
from mmcr_core.data.shards.loader import ShardReader
from mmcr_core.data.shards.shard_set import ShardSet, open_shards
from tests.mmcr_core.data.shards.shard_tokens import encode

Members = list[tuple[str, bytes]]


def gray(value: int, size: tuple[int, int] = (8, 8), kind: str = "PNG", mode: str = "L") -> bytes:
    """A picture of one gray level."""
    stream = io.BytesIO()
    Image.new("L", size, value).convert(mode).save(stream, kind)
    return stream.getvalue()


def sample(number: int, name: str | None = None) -> Members:
    """A pair whose gray level and caption are its number."""
    key = f"{number:06d}" if name is None else name
    return [(f"{key}.png", gray(number % 256)), (f"{key}.txt", f"n {number}".encode())]


def write(file: Path, members: Members, **options: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w", **options) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file


def write_set(folder: Path, counts: Sequence[int]) -> Path:
    """Shards of so many samples each, numbered through."""
    first = 0
    for number, count in enumerate(counts):
        write(folder / f"{number:05d}.tar", [one for i in range(first, first + count) for one in sample(i)])
        first += count
    return folder


def opened(path: object, **fields: Any) -> ShardSet:
    return open_shards(DatasetSpec("shards", path=str(path), **fields))


@contextmanager
def reading(shards: ShardSet, **changes: Any) -> Iterator[ShardReader]:
    options = {"size": 8, "points": 4, "captions": 1, "seed": 0, "sampling": "epochs", "processes": 1, "encode": encode}
    reader = ShardReader(shards, **(options | changes))
    try:
        yield reader
    finally:
        reader.close()


class _Handler(http.server.SimpleHTTPRequestHandler):
    etags = False
    failures = 0

    def log_message(self, *_: Any) -> None:
        pass

    def send_head(self) -> Any:
        if type(self).failures:
            type(self).failures -= 1
            return self.send_error(503)
        return super().send_head()

    def end_headers(self) -> None:
        file = Path(self.translate_path(self.path))
        if self.etags and file.is_file():
            self.send_header("ETag", f'"{hash(file.read_bytes())}"')
        super().end_headers()


@contextmanager
def served(folder: Path, etags: bool, failures: int = 0) -> Iterator[str]:
    """The URL of a folder on this machine, by a server that fails so many times first."""
    kind = type("Handler", (_Handler,), {"etags": etags, "failures": failures})
    handler = partial(kind, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
