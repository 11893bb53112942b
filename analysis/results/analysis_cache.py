"""What was computed from a sweep, kept in its folder as parquet files that say what of: the digest of the store's
content and the version of the analysis.

The digest is of content (run ids, how runs ended, which measures there are), never of files' bytes: merging files
changes nothing. A file of another digest, of an older version or without any is as good as absent. Where the folder
cannot be written to, nothing is kept, which is reported once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.results import legacy_names
from analysis.results.results import Results
from sweeps.storage.filesystems import read_table, write_atomically

VERSION = 5  # of the analysis: raised whenever the same store would give other numbers
KEY = b"analysis"  # of the schema's metadata
ROWS = ["run_id", "variant", "status", "steps", "percent_error", "wall_seconds"]
Options = Mapping[str, str]


def content_digest(results: Results) -> str:
    """Of the runs of one sweep, as `Results.runs` gives them, the names and counts of their measures with what they
    were measured of, and VERSION."""
    rows = results.runs()[ROWS].sort_values("run_id")
    measured = results.measures()
    measures = measured.groupby(["run_id", "name"]).size()
    content = [VERSION, rows.to_csv(index=False), measures.to_csv()]
    known = measured.dropna(subset="digest").sort_values(["run_id", "step", "name", "subject"])
    if len(known):  # measured again of something else, such as other classes
        content.append(known[["run_id", "step", "name", "subject", "digest"]].to_csv(index=False))
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


@dataclasses.dataclass
class KeptFiles:
    """Tables of one sweep's folder `root` that belong to the content of this `digest`."""

    root: Path
    digest: str
    _reported: bool = False

    def read(self, name: str, options: Options) -> pa.Table | None:
        """A table that was made with these options; None where there is none of this digest."""
        for stem in legacy_names.stems(name):
            try:
                table = read_table(self._path(stem))
            except Exception:  # absent, damaged, or what a URL's file system raises: it is made anew
                continue
            if _mark(table.schema) == self._marked(options):
                return legacy_names.today(name, table)
        return None

    def keep(self, name: str, table: pa.Table, options: Options) -> None:
        """Write a table, unless the folder holds the one that somebody asked for with other options."""
        try:
            mark = _mark(pq.read_schema(io.BytesIO(self._path(name).read_bytes())))
        except Exception:
            mark = {}
        if mark.get("options", dict(options)) == dict(options):
            self.write(name, table, options)

    def write(self, name: str, table: pa.Table, options: Options) -> None:
        """Write a table in the place of any other."""
        mark = json.dumps(self._marked(options)).encode()
        stream = io.BytesIO()
        marked = table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: mark})
        pq.write_table(marked, stream, compression="zstd")
        try:
            write_atomically(self._path(name), stream.getvalue())
        except Exception as error:  # a folder of somebody else, a full disk, a URL without the right to write
            if not self._reported:
                print(f"note: {self.root} cannot be written to ({error}); nothing is kept there", file=sys.stderr)
            self._reported = True

    def _path(self, name: str) -> Path:
        return self.root / f"{name}.parquet"

    def _marked(self, options: Options) -> dict[str, object]:
        return {"digest": self.digest, "options": dict(options)}


def _mark(schema: pa.Schema) -> dict[str, object]:
    found: dict[str, object] = json.loads((schema.metadata or {}).get(KEY, b"{}"))
    return found


def to_table(frame: pd.DataFrame) -> pa.Table:
    """A frame as it is kept."""
    return pa.Table.from_pandas(frame, preserve_index=False)
