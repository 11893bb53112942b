"""The chunks of a finished run merged into one file."""

from __future__ import annotations

import pyarrow as pa

from sweeps.storage.chunks import chunk_files, chunk_name, chunk_steps, visible_chunks
from sweeps.storage.filesystems import read_table, write_atomically
from sweeps.storage.schemas import TRAJECTORY_SCHEMA, parquet_bytes
from sweeps.storage.sweep_store import Store


def compact_run(store: Store, run_id: str) -> int:
    """Merge a finished run's chunks; the number of files that were merged (0 where there was one already).

    The merged file appears before the others go: until then they lie inside it, where readers pass them over.
    """
    files = chunk_files(store.root / "trajectories" / run_id)
    if len(files) < 2:
        return 0
    visible = visible_chunks(files)
    table = pa.concat_tables([read_table(file, schema=TRAJECTORY_SCHEMA) for file in visible])
    first, last = chunk_steps(visible[0])[0], chunk_steps(visible[-1])[1]
    whole = visible[0].with_name(chunk_name(first, last))
    if len(visible) > 1:
        write_atomically(whole, parquet_bytes(table))
    for file in files:
        if file != whole:
            file.unlink()
    return len(files)
