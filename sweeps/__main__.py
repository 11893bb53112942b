"""The installed command `mmcr-sweeps`: `mmcr-sweeps launch GRID` is `python sweeps/launch.py GRID`.

Doors are found by name: the modules at the top of `sweeps` and `analysis` that have an `app`. Only the one that is
asked for is imported.
"""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

PACKAGES = ("sweeps", "analysis")


def doors() -> dict[str, tuple[str, str]]:
    """Command name -> (module, first sentence of its docstring), read without importing any."""
    found = {}
    for package in PACKAGES:
        folder = Path(str(importlib.import_module(package).__file__)).parent
        for file in sorted(folder.glob("[!_]*.py")):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            names = [target.id for node in tree.body if isinstance(node, ast.Assign)
                     for target in node.targets if isinstance(target, ast.Name)]  # fmt: skip
            if "app" in names:
                first_line = (ast.get_docstring(tree) or "").splitlines()[0]
                found[file.stem.replace("_", "-")] = (f"{package}.{file.stem}", first_line)
    return found


def main() -> None:
    """Run the door that is named first, with the rest as its arguments. Exit code 2 for an unknown one."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    known = doors()
    if name in ("-h", "--help"):
        width = max(map(len, known))
        print("usage: mmcr-sweeps COMMAND [ARGUMENTS]\n")
        print("\n".join(f"  {command:{width}}  {text}" for command, (_, text) in known.items()))
        print("\nmmcr-sweeps COMMAND --help says more. Example: mmcr-sweeps launch GRID --plan")
        return
    if name not in known:
        print(f"mmcr-sweeps: there is no command '{name}'; use one of {', '.join(known)}", file=sys.stderr)
        raise SystemExit(2)
    importlib.import_module(known[name][0]).app(args=sys.argv[2:], prog_name=f"mmcr-sweeps {name}")


if __name__ == "__main__":
    main()
