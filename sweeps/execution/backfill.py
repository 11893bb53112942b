"""What is asked for of a run that has finished and is missing: measured from its seed and its weights, or said."""

from __future__ import annotations

from typing import Any

from mmcr_core.config.run import RunSpec
from mmcr_core.config.run_id import run_id, spec_to_json
from mmcr_core.evaluation.confidence_intervals import Measure, deviation
from mmcr_core.training import Pretraining, is_out_of_memory, process_must_end
from sweeps.execution.saved_weights import read_kept
from sweeps.execution.stored_measures import missing_measures, write_measures
from sweeps.monitoring.launch_outcome import Ending, StopReason
from sweeps.storage.sweep_store import Store


def measure_finished(store: Store, spec: RunSpec, device: str, threads: int = 1) -> tuple[Ending | None, list[str]]:
    """Measure what a finished run lacks and write it; why that failed, if it did, and what is to be known.

    The untrained network follows from the seed, that of the end from the weights that were kept. Whatever happens, the
    run stays finished. Raises what says that the process must end.
    """
    key, notes = run_id(spec), list[str]()
    row = store.read_run(key)
    missing = missing_measures(store, spec, row["steps"])
    at_end, untrained = missing.pop(row["steps"], []), bool(missing.pop(0, []))
    for step, names in missing.items():
        lacks = f"lacks {', '.join(names)} at step {step}"
        notes.append(f"{lacks}: in the middle of a run only its training can measure")
    state = read_kept(store, key) if at_end else None
    ending = None
    if at_end and state is None:
        lacks = f"lacks {', '.join(at_end)}"
        if store.has_weights(key):
            damaged = f"{lacks}, and its weights are damaged; see: python sweeps/store.py check"
            ending = Ending(StopReason.ERROR, damaged)
        else:
            notes.append(f"{lacks}, and its weights were not kept")
    if untrained or state is not None:
        try:
            run = Pretraining(spec, device, graphs=False, threads=threads)
            _measure(store, run, row, untrained, state)
        except Exception as failure:
            if process_must_end(failure):
                raise
            reason = StopReason.OUT_OF_MEMORY if is_out_of_memory(failure) else StopReason.ERROR
            ending = Ending(reason, f"finished, but cannot be measured again: {type(failure).__name__}: {failure}")
    return ending, notes


def outcome_columns(measures: list[Measure], spec: RunSpec) -> dict[str, Any]:
    """The columns of a run's row that repeat what was measured at its end: held-out error, accuracy of `probe`."""
    columns: dict[str, Any] = {}
    for measured in measures:
        if measured.name == "heldout_percent_error":
            columns |= {"heldout_percent_error": measured.value, "heldout_percent_error_std": deviation(measured)}
        elif (measured.name, measured.subject) == (f"{spec.evaluate.probe}_accuracy", ""):
            columns["probe_accuracy"] = measured.value
    return columns


def _measure(
    store: Store, run: Pretraining, row: dict[str, Any], untrained: bool, state: dict[str, Any] | None
) -> None:
    """The network as the seed makes it, where it is `untrained`, and then as its kept `state` says."""
    if untrained:
        write_measures(store, run, run.evaluate())
    if state is not None:
        run.network.load_state_dict(state["network"])
        run.step = state["step"]
        measures = run.evaluate()
        write_measures(store, run, measures)
        store.write_run(row | {"spec": spec_to_json(run.spec)} | outcome_columns(measures, run.spec))
