"""The commands of `mmcr-sweeps` and `python -m sweeps`: `mmcr-sweeps launch GRID` is `python sweeps/launch.py GRID`.

Only the module of the command that is asked for is imported.
"""

from __future__ import annotations

import importlib
import sys

from sweeps.cli.version import version_text

COMMANDS = {  # name -> module with an `app`, what it does
    "launch": ("sweeps.launch", "Launch a grid, or plan it: runs, hours, disk."),
    "status": ("sweeps.status", "Progress of a sweep, read from its store by any shell or machine."),
    "store": ("sweeps.store", "Check, compact, merge or migrate result stores."),
    "config-reference": ("sweeps.config_reference", "Every key of a grid file, with its values, default and meaning."),
    "export": ("sweeps.export", "A trained network for torchvision, timm or open_clip; a sweep's tables; with cards."),
    "make-shards": ("sweeps.make_shards", "Write tar shards of image-text pairs."),
    "report": ("analysis.report", "One self-contained HTML page of a sweep, or of several compared."),
    "claims": ("analysis.claims", "The paper's claims and ours with verdicts: in the terminal, a page or JSON."),
    "query": ("analysis.query", "SQL over the tables of a sweep, or of several."),
    "recommend": ("analysis.recommend", "P, D and K for a budget of compute, or the runs to train next."),
    "replay": ("analysis.replay", "What an adaptive sweep would have trained of a finished one."),
    "plot-scaling": ("analysis.plot_scaling", "Percent error against compute, with fitted power laws."),
    "plot-double-descent": ("analysis.plot_double_descent", "Percent error against P and against D, with its peaks."),
    "plot-grid-law": ("analysis.plot_grid_law", "The joint scaling law of steps, P, D and K, and its forecasts."),
    "plot-predictions": ("analysis.plot_predictions", "What every cell ends at, trained or not, with intervals."),
    "plot-objectives": ("analysis.plot_objectives", "Objectives on the same axes, against compute."),
    "plot-multimodal": ("analysis.plot_multimodal", "Objectives on image-text pairs, against batch size."),
    "plot-theory": ("analysis.plot_theory", "Theory beside simulation: the uniform baseline and Cover's transition."),
}


def main() -> None:
    """Run the command that is named first, with the rest as its arguments. Exit code 2 for an unknown one."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        width = max(map(len, COMMANDS))
        print("usage: mmcr-sweeps COMMAND [ARGUMENTS]\n")
        print("\n".join(f"  {command:{width}}  {text}" for command, (_, text) in COMMANDS.items()))
        print("\nmmcr-sweeps COMMAND --help says more. Example: mmcr-sweeps launch GRID --plan")
        return
    if name == "--version":
        print(version_text())
        return
    if name not in COMMANDS:
        print(f"mmcr-sweeps: there is no command '{name}'; use one of {', '.join(COMMANDS)}", file=sys.stderr)
        raise SystemExit(2)
    importlib.import_module(COMMANDS[name][0]).app(args=sys.argv[2:], prog_name=f"mmcr-sweeps {name}")
