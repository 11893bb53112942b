"""One law of steps, P, D and K for the whole grid: its exponents, and how it predicts the most expensive cells.

Writes figures/collapse.{png,pdf} (all cells on one curve), figures/forecast.{png,pdf}, figures/isoflop.{png,pdf} (error
against P at fixed compute, of the smallest K or of every one) and joint_law.parquet.
"""

from __future__ import annotations

from analysis.cli.command_options import BEST_OVER, FIGURES, RESULTS, VIEWS, WIDTH
from analysis.cli.printed_width import Width
from sweeps.cli.app import guarded, new_app
from sweeps.cli.console import print_wrapped

EXAMPLE = "Example: python analysis/plot_grid_law.py results/quickstart"
SHOWN = ["variant", "irreducible", "offset", "aspect", "by_formula", "bic", "test_error", "test_coverage", "tested"]
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def main(
    results: RESULTS,
    views: VIEWS = "smallest",
    width: WIDTH = Width.PAGE,
    output: FIGURES = None,
    best_over: BEST_OVER = None,
) -> None:
    """Fit one law to all cells, and test it on the most expensive ones."""
    from analysis.cli.opening import analyze
    from analysis.cli.output_files import print_paths, write_law
    from analysis.cli.terminal_table import print_table
    from analysis.estimates.exponent_summary import describe_exponents
    from analysis.figures import isoflop_figure, joint_law_figures
    from analysis.results.display_names import variant_name, with_names

    with analyze(results, best_over, output, width) as (analysis, folder):
        laws, table = analysis.require_joint_laws(), analysis.joint_law
        write_law(analysis, "joint_law", table, output)
        named = SHOWN if len(laws) > 1 else SHOWN[1:]
        shown_laws = table[named].rename(columns={"by_formula": "K by formula"}).drop_duplicates()
        print_table(
            with_names(shown_laws),
            "e = E + A prod x^-alpha (steps + s0 prod z^s)^-alpha, the best first",
            spare=["tested"],
        )
        for variant, kinds in laws.items():
            print_wrapped(
                "\n".join([*([f"{variant_name(variant)}:"] * (len(laws) > 1)), *describe_exponents(kinds[0])])
            )
        isoflop = isoflop_figure.isoflop_figures(laws, analysis.cells, analysis.finished, folder, views == "all")
        print_paths(joint_law_figures.joint_law_figures(laws, folder) + isoflop)
        if not isoflop:
            print(f"isoflop was not drawn: it needs cells of {isoflop_figure.LEAST_SIZES} values of P or more")


if __name__ == "__main__":
    app()
