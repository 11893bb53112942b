"""Processes for tests, forked by a server that imports torch and the store once: each starts in milliseconds."""

import multiprocessing

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["sweeps.execution.run_executor", "analysis.results.results"])
