"""What sweeps vary, as columns of `runs`: each setting beside P, D, K and seed, named as in the grid, typed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from analysis.results.variant_labels import AXES, changes_runs, flatten, where_it_differs


def setting_columns(specs: Sequence[str], planned: Sequence[str], known: Sequence[str]) -> pa.Table:
    """A column for each setting in which `specs` or those that are `planned` differ, with a row for each spec: null
    where its part has no such option.

    Args: specs: the column `spec` of runs; known: names of columns that there are, also of what a part is called:
        `objective` stands for `objective.name`.
    """
    parsed = {text: _settings(text) for text in {*specs, *planned}}
    distinct = list({json.dumps(one): one for one in parsed.values()}.values())
    names = sorted(filter(changes_runs, {name for one in distinct for name in one}))
    swept = [name for name in names if {name, name.removesuffix(".name")}.isdisjoint(known)]
    filled = [{key: value or None for key, value in one.items()} for one in distinct]  # what older specs leave out
    swept = [name for name in swept if where_it_differs(name, filled)]
    return pa.table({name: _column([parsed[text].get(name) for text in specs]) for name in swept})


def _settings(spec: str) -> dict[str, Any]:
    return flatten({key: value for key, value in json.loads(spec).items() if key not in (*AXES, "evaluate")})


def _column(values: list[Any]) -> pa.Array:
    """Whole numbers, numbers, texts, true and false, or lists; JSON where values are of several kinds."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else json.dumps(value) for value in values], pa.string())
