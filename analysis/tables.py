"""Sweeps' tables in a notebook, as pandas frames and as answers to SQL.

from analysis.tables import open_results

results = open_results("results/quickstart")
runs = results.runs()                                            # one row per run, with `variant`
steps = results.trajectories("step >= 100")                      # one row per step
best = results.sql("SELECT P, D, min(percent_error) FROM runs GROUP BY ALL")
both = open_results("results/A", "results/B").runs()             # distinguished by the column `sweep`
"""

from analysis.results.errors import ResultsError
from analysis.results.results import Results, open_results

__all__ = ["Results", "ResultsError", "open_results"]
