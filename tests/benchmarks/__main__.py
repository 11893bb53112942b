"""Run the benchmarks named on the command line, or all."""

import sys
import time
from importlib import import_module

NAMES = (
    *("nuclear_norm", "step_efficiency", "operations", "objectives", "compiled_views", "dataloader_baseline"),
    *("lightly_baseline", "orchestration", "fits", "forecasts", "shard_reader", "large_store", "delayed_s3"),
)
SIMULATIONS = ("coverage", "recovery")  # long, and their numbers do not depend on the machine: `make simulations`


def main() -> None:
    names = [argument for argument in sys.argv[1:] if not argument.isdigit()] or NAMES
    if unknown := [name for name in names if name not in (*NAMES, *SIMULATIONS)]:
        sys.exit(f"unknown benchmark {', '.join(unknown)}; use some of {', '.join((*NAMES, *SIMULATIONS))}")
    for name in names:
        began = time.perf_counter()
        import_module(f"tests.benchmarks.{name}").main()
        print(f"{name}: {time.perf_counter() - began:.0f} s\n", flush=True)


if __name__ == "__main__":
    main()
