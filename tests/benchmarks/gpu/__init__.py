"""Everything about a GPU that can't be known without one, in one command of nine minutes: `make gpu`, or

    python -m tests.benchmarks.gpu --images FILE.parquet          # on a GPU
    python -m tests.benchmarks.gpu --device cpu --seconds 240     # a rehearsal on small shapes
    python -m tests.benchmarks.gpu.results FOLDER                 # at home: benchmarks, store, figures, claims

It needs torch, torchvision, pyarrow, scipy, scikit-learn, psutil and PyYAML, and neither Ray, DuckDB, pydantic nor
universal-pathlib: what trains a run imports none of them, and `grid_cells` reads the grid file with PyYAML alone.

`supervisor` owns the clock and never touches the GPU. Each stage (`stages`) is a process group of its own with a
deadline, and each row goes to `rows.jsonl` as soon as it is known, so that whatever breaks costs only itself. The files
go to $OUT, where that is set: rows.jsonl, summary.md, store.tar, profile.txt, logs.txt.
"""
