"""Queries to begin with, by what they answer; `query.py --examples` prints them."""

from __future__ import annotations

EXAMPLES = {
    "The percent error of each cell, seeds averaged": (
        "SELECT P, D, K, avg(percent_error) AS error, stddev(percent_error) AS between_seeds, count(*) AS seeds "
        "FROM runs WHERE status = 'finished' GROUP BY ALL ORDER BY K, D, P"
    ),
    "Sweeps side by side: query.py A B (of one sweep, a row)": (
        "SELECT sweep, count(*) AS cells, avg(percent_error) AS error, sum(flops) AS flops FROM runs "
        "WHERE status = 'finished' GROUP BY ALL ORDER BY sweep"
    ),
    "For each D and K, the P of the largest error": (
        "SELECT D, K, arg_max(P, percent_error) AS largest_at, max(percent_error) AS error FROM runs "
        "GROUP BY ALL ORDER BY K, D"
    ),
    "Every tenth of a run, one row": (
        "SELECT P, D, K, t.step * 10 // r.steps AS tenth, avg(t.percent_error) AS error FROM trajectories t "
        "JOIN runs r USING (sweep, run_id) GROUP BY ALL ORDER BY K, D, P, tenth"
    ),
    "What did not finish, and why": "SELECT P, D, K, seed, status, error FROM runs WHERE status <> 'finished'",
    "A setting from the stored spec": (
        "SELECT P, D, spec->>'$.optimizer.learning_rate' AS learning_rate, percent_error FROM runs ORDER BY P, D"
    ),
    "Hours of training, and speed, of each cell": (
        "SELECT P, D, K, sum(wall_seconds) / 3600 AS hours, avg(images_per_second) AS speed FROM runs GROUP BY ALL "
        "ORDER BY hours DESC"
    ),
    "The selected model of each cell (after plot_scaling.py)": (
        'SELECT P, D, K, irreducible, "offset", alpha, alpha_low, alpha_high, x0, chi_square, trusted FROM fits '
        "WHERE chosen ORDER BY K, D, P"
    ),
    "The joint scaling laws, the best first (after plot_grid_law.py)": (
        'SELECT irreducible, "offset", aspect, "column", alpha, alpha_low, alpha_high, s, test_error, test_coverage '
        "FROM joint_law"
    ),
    "Peaks (after plot_double_descent.py)": (
        'SELECT along, "at", K, location, location_low, location_high, prominence FROM peaks WHERE found'
    ),
}
