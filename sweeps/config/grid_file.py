"""A grid file, or a mapping in a notebook, becomes a frozen GridSpec: run specs, and how to run them.

Each part of a run is read by its own model (`sweeps.config.spec_parsing`), checked by pydantic in its strict JSON mode
(no conversions); each list in the file is an axis, `linked` has keys advance together, `exclude` leaves cells out.
Every mistake is one `GridError` that names file and line (or the argument that says it), key, remedy.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from pydantic import ValidationError

from mmcr_core import custom_imports
from mmcr_core.config.defaults import LIMITED_PROBE_IMAGES
from mmcr_core.config.run import DatasetSpec, RunSpec, SpecError
from mmcr_core.config.run_id import run_id
from mmcr_core.data import registry
from mmcr_core.evaluation.zero_shot import require_texts, require_usable
from mmcr_core.training.memory import has_blocks
from sweeps.config.custom_components import with_sources, with_zero_shot
from sweeps.config.filters import CellCount, Exclusion
from sweeps.config.grid_source import GridError, GridSource
from sweeps.config.linked_keys import Link, linked_trees, number_of_trees, read_links, unlinked
from sweeps.config.once import Once
from sweeps.config.overrides import overridden
from sweeps.config.settings import GridSettings
from sweeps.config.spec_parsing import MODELS, read_part, run_parts, spelled_out
from sweeps.config.validation_errors import line_of, located, unknown_key
from sweeps.config.yaml_lines import Lines, Marked, YamlError, expand, number_of_choices, parse, to_yaml
from sweeps.config.yaml_lines import Path as KeyPath

__all__ = ["GridError", "GridSpec", "load_grid"]


@dataclass(frozen=True)
class GridSpec:
    """A whole sweep: its settings, one RunSpec a cell, the text it was read from, where keys stand that only a machine
    can refuse: `resources.gpus` -> `g.yaml:7: resources.gpus`, how many cells each override, link and exclusion leaves,
    and what is odd about them."""

    settings: GridSettings
    cells: tuple[RunSpec, ...]
    text: str
    places: dict[str, str] = field(default_factory=dict)
    counts: tuple[CellCount, ...] = ()
    remarks: tuple[str, ...] = ()


MOST_CELLS = 100_000  # of a grid; more take minutes and gigabytes before the first word
ANCHORS = "x-"  # what a key begins with that is there for its anchors alone
_RUN_KEYS = tuple(field.name for field in fields(RunSpec))
_BESIDE = ("linked", "exclude")


def load_grid(grid: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> GridSpec:
    """Read, expand and check a grid; hash the content of folder and parquet data sets and of a user's own code, which
    may lie beside a grid file or in the current folder.

    Args: grid: path of a grid file, the name of one that comes with this project (`paper-stl10`), `-` for standard
        input, or its keys and values as a mapping, with plain values and lists; overrides: KEY=VALUE each, which
        replace keys of it, as on the command line.
    Raises: GridError, which names file and line (of a mapping: "grid", of an override: it), key and remedy.
    """
    if not isinstance(grid, str | Path | Mapping) or grid == "":
        raise GridError(f"grid: {grid!r} is no grid; give a path, the name of a shipped grid, or a mapping of its keys")
    source = GridSource("grid", "") if isinstance(grid, Mapping) else GridSource.found(grid)
    custom_imports.look_in(os.getcwd(), *source.folders)
    try:
        text = to_yaml(grid) if isinstance(grid, Mapping) else source.text
        documents = overridden(_document(text), overrides)
        if overrides:
            said = f"# {source.name} {' '.join(overrides)}".replace("\n", " ")
            text = f"{said}\n{to_yaml({key: one.plain() for key, one in documents[-1].items()})}"
        return _grid(documents, overrides, text, source)
    except YamlError as error:
        raise GridError(source.at(error.line, str(error))) from error


def _document(text: str) -> dict[str, Marked]:
    document = parse(text)
    if not isinstance(document.value, dict):
        raise YamlError(document.line, "a grid file is a mapping of keys; see sweeps/grids/quickstart.yaml")
    return {key: value for key, value in document.value.items() if not key.startswith(ANCHORS)}


def _grid(documents: list[dict[str, Marked]], overrides: Sequence[str], text: str, source: GridSource) -> GridSpec:
    top = documents[-1]
    known = (*GridSettings.model_fields, *_RUN_KEYS, *_BESIDE)
    for key, marked in top.items():
        if key not in known:
            raise YamlError(marked.line, unknown_key(key, known))
    _require_no_axis(top.get("evaluate"))
    settings = _settings({key: top[key] for key in GridSettings.model_fields if key in top})
    line = top["memory"].line if settings.memory == "recompute" else None
    trees, counts = _trees(documents, overrides)
    exclusion = Exclusion(top.get("exclude"))
    cells: dict[str, RunSpec] = {}
    once = Once()
    for mapping, lines in (choice for tree in trees for choice in expand(tree, (), _is_tuple)):
        parts = _run_parts(mapping, lines, once)
        if exclusion.leaves_out(parts):
            continue
        spec = _cell(parts, mapping, lines, once)
        if line is not None:
            once(_require_blocks, (spec.encoder, spec.views), lambda spec=spec: _require_blocks(spec, line))  # type: ignore[misc]
        key = run_id(spec)
        if key in cells:
            problem = f"two cells are the same run (P={spec.P}, D={spec.D}, K={spec.K}, seed={spec.seed})"
            reason = "a list holds one value in two spellings, or varies what is no part of a run, such as evaluate"
            raise YamlError(1, f"{problem}; {reason}: keep one")
        cells[key] = spec
    left = exclusion.counts(len(cells))
    if not _gives(top.get("evaluate"), "probe_images"):
        cells = _with_probe_images(cells, once)
    asked: Any = top["resources"].value if "resources" in top else {}
    places = {f"resources.{key}": source.at(one.line, f"resources.{key}") for key, one in asked.items()}
    return GridSpec(settings, tuple(cells.values()), text, places, (*counts, *left), exclusion.remarks)


def _trees(documents: list[dict[str, Marked]], overrides: Sequence[str]) -> tuple[list[Marked], list[CellCount]]:
    """What cells are expanded from, one tree for each step of the links; and how many cells the file has, after each
    override, and after each link."""
    counts = []
    for document, said in zip(documents, ("in the grid", *(f"with {text}" for text in overrides)), strict=True):
        sweep, links = _sweep(document)
        counts.append(CellCount(said, number_of_choices(unlinked(sweep, links), (), _is_tuple)))
    number = counts[-1].cells
    trees = [sweep]
    for place, link in enumerate(links):
        if (steps := number_of_trees(links[: place + 1])) > MOST_CELLS:
            number = steps
            break
        trees = list(linked_trees(sweep, links[: place + 1]))
        number = sum(number_of_choices(unlinked(tree, links[place + 1 :]), (), _is_tuple) for tree in trees)
        counts.append(CellCount(f"with {link} linked", number))
    if number > MOST_CELLS:
        raise YamlError(1, f"the grid has {number:,} cells; {MOST_CELLS:,} at most: use fewer values, or several grids")
    return trees, counts


def _sweep(top: dict[str, Marked]) -> tuple[Marked, list[Link]]:
    return Marked({key: one for key, one in top.items() if key in _RUN_KEYS}, 1), read_links(
        top.get("linked"), _RUN_KEYS
    )


def _cell(parts: dict[str, Any], mapping: dict[str, Any], lines: Lines, once: Once) -> RunSpec:
    spec = _with_sources(_identified(_run_spec(parts, mapping, lines), lines, once), lines, once)
    once(_usable, (spec.dataset, spec.views, spec.encoder), lambda: _usable(spec, lines))
    once(
        _tried_zero_shot, (spec.evaluate, spec.views, spec.encoder, spec.dataset), lambda: _tried_zero_shot(spec, lines)
    )
    evaluate = once(with_zero_shot, (spec.evaluate,), lambda: with_zero_shot(spec.evaluate))
    return spec if evaluate is spec.evaluate else replace(spec, evaluate=evaluate)


def _gives(part: Marked | None, key: str) -> bool:
    values = part.value if part and isinstance(part.value, list) else [part]
    return any(one is not None and isinstance(one.value, dict) and key in one.value for one in values)


def _with_probe_images(cells: dict[str, RunSpec], once: Once) -> dict[str, RunSpec]:
    """Where a data set is limited, probes of all cells learn from as many images, so that a cheap cell has a cheap
    measure and accuracies can be compared."""
    if not any(cell.dataset.limit for cell in cells.values()):
        return cells

    def bounded(cell: RunSpec) -> RunSpec:
        dataset, evaluate = cell.dataset, cell.evaluate
        images, _ = once(registry.count, (dataset,), lambda: registry.count(dataset))
        if not evaluate.probes or evaluate.labels_per_class or images <= LIMITED_PROBE_IMAGES:
            return cell
        few = once(_with_probe_images, (evaluate,), lambda: replace(evaluate, probe_images=LIMITED_PROBE_IMAGES))
        return replace(cell, evaluate=few)

    return {key: bounded(cell) for key, cell in cells.items()}


def _require_no_axis(evaluate: Marked | None) -> None:
    """What is measured is no part of a run, so that a list there would be the same run twice."""
    one = "takes one value: what is measured is no part of a run, and so no axis"
    if evaluate and isinstance(evaluate.value, list) and len(evaluate.value) > 1:
        raise YamlError(evaluate.line, f"evaluate: {one}")
    given: dict[str, Marked] = evaluate.value if evaluate and isinstance(evaluate.value, dict) else {}
    for key, marked in given.items():
        if isinstance(marked.value, list) and len(marked.value) > 1 and not _is_tuple(("evaluate", key)):
            raise YamlError(marked.line, f"evaluate.{key}: {one}")


def _settings(marked: dict[str, Marked]) -> GridSettings:
    for mapping, lines in expand(Marked(marked, 1), (), lambda path: True):
        try:
            return GridSettings.model_validate_json(json.dumps(mapping, default=str))
        except ValidationError as error:
            raise located(error, mapping, lines, GridSettings) from error
    raise AssertionError("expand yields at least one choice")


def _run_parts(mapping: dict[str, Any], lines: Lines, once: Once) -> dict[str, Any]:
    parts = dict(mapping)
    for key in MODELS.keys() & mapping.keys():  # a choice among the values of a part is one object in all its cells
        parts[key] = once(_part, (key, mapping[key]), lambda key=key: _part(key, mapping[key], lines))  # type: ignore[misc]
    try:
        return run_parts(parts)
    except ValidationError as error:
        raise located(error, mapping, lines, RunSpec) from error


def _run_spec(parts: dict[str, Any], mapping: dict[str, Any], lines: Lines) -> RunSpec:
    try:
        return RunSpec(**parts)
    except SpecError as error:
        given = mapping.get(error.key)
        shown = f"{given} " if isinstance(given, int) else ""
        raise YamlError(line_of(lines, tuple(error.key.split("."))), f"{error.key}: {shown}{error}") from error


def _part(key: str, value: Any, lines: Lines) -> Any:
    try:
        model, keys = spelled_out(key, value)
        return read_part(model, keys)
    except SpecError as error:  # what no model says: an objective, a recipe or code that there isn't
        raise YamlError(line_of(lines, (key, error.key)), f"{key}: {error}") from error
    except ValidationError as error:
        raise located(error, keys, lines, model, (key,)) from error


def _found(dataset: DatasetSpec, lines: Lines, once: Once) -> tuple[DatasetSpec, int, int]:
    """A data set with its content digest filled in, and how many images it has to train on and held out."""
    to_path = line_of(lines, ("dataset", "path") if dataset.by_content else ("dataset",))
    try:
        images, heldout = registry.count(dataset)
        if dataset.by_content:
            if dataset.samples is None:
                once(registry.require_present, (dataset.name, dataset.path), lambda: registry.require_present(dataset))
            whole = replace(dataset, limit=None)
            identified = once(_found, (repr(whole),), lambda: registry.identified(whole))
            dataset = replace(identified, limit=dataset.limit)
    except (registry.DatasetError, OSError) as error:
        raise YamlError(to_path, f"dataset: {error}") from error
    return dataset, images, heldout


def _identified(spec: RunSpec, lines: Lines, once: Once) -> RunSpec:
    """Content digest filled in, and the data set large enough for P and the budget."""
    given = spec.dataset
    dataset, images, heldout = once(_identified, (given,), lambda: _found(given, lines, once))
    if dataset is not given:
        spec = replace(spec, dataset=dataset)
    held = f" ({heldout} of {images + heldout} are held out)" if (dataset.name, "train") == ("digits", "train") else ""
    held = held or (f" ({heldout} more are held out)" if dataset.by_content else "")
    if dataset.limit is not None and dataset.limit > images:
        problem = (
            f"{dataset.limit} exceeds the {images} training images of dataset '{dataset.name}'{held}; leave it out"
        )
        raise YamlError(line_of(lines, ("dataset", "limit")), f"dataset.limit: {problem}")
    if (few := spec.evaluate.labels_per_class) is not None and few > images:  # a probe's are not limited
        problem = f"{few} exceeds the {images} training images of dataset '{dataset.name}'; use fewer"
        raise YamlError(line_of(lines, ("evaluate", "labels_per_class")), f"evaluate.labels_per_class: {problem}")
    images = dataset.kept(images)
    held = f" that dataset.limit keeps{held}" if dataset.limit else held
    if images < spec.P:
        raise YamlError(
            line_of(lines, ("P",)),
            f"P: {spec.P} exceeds the {images} training images of dataset '{dataset.name}'{held}; "
            f"use P <= {images} or a larger data set",
        )
    steps, warmup = spec.budget.total_steps(spec.P, images), spec.optimizer.warmup
    if isinstance(warmup, int) and warmup >= steps > 0:
        problem = f"{warmup} steps are not less than the {steps} steps of a run with P = {spec.P}; use fewer"
        raise YamlError(line_of(lines, ("optimizer", "warmup")), f"optimizer.warmup: {problem}")
    if steps < 1:
        raise YamlError(line_of(lines, ("budget",)), f"budget: is less than one step of P = {spec.P} images; give more")
    try:
        spec.objective.require_run(spec.P, steps)
    except SpecError as error:
        raise YamlError(line_of(lines, ("objective", error.key)), f"objective.{error.key}: {error}") from error
    return spec


def _require_blocks(spec: RunSpec, line: int | str) -> None:
    """Whether there is something to compute again in backward."""
    if not has_blocks(spec.encoder, len(spec.views.mean), spec.views.size):
        name = spec.encoder.model or spec.encoder.name
        problem = (
            f"recompute is for residual blocks and transformer layers, and encoder '{name}' has none that it knows"
        )
        raise YamlError(
            line, f"memory: {problem}; leave it out, or use a resnet, towers or a model of timm with blocks"
        )


def _usable(spec: RunSpec, lines: Lines) -> None:
    """Whether views and tokens can be made of the first image."""
    if not spec.dataset.by_content:
        return
    try:
        registry.require_usable(spec)
    except registry.DatasetError as error:
        raise YamlError(line_of(lines, ("dataset", "path")), f"dataset: {error}") from error


def _with_sources(spec: RunSpec, lines: Lines, once: Once) -> RunSpec:
    try:
        return with_sources(spec, once)
    except SpecError as error:
        raise YamlError(line_of(lines, tuple(error.key.split("."))), f"{error.key}: {error}") from error


def _tried_zero_shot(spec: RunSpec, lines: Lines) -> None:
    """Whether files, images and texts of zero-shot measures are of use."""
    try:
        require_texts(spec.evaluate, spec.dataset)
        require_usable(spec)
    except (SpecError, registry.DatasetError) as error:
        key = error.key if isinstance(error, SpecError) else "evaluate.zero_shot.dataset"
        raise YamlError(line_of(lines, tuple(key.split("."))), f"{key}: {error}") from error


def _is_tuple(path: KeyPath) -> bool:
    """Whether the field at `path` is a tuple, so that a plain list there is one value and not an axis."""
    model: Any = RunSpec
    for part in path:
        if not is_dataclass(model):
            return False
        model = get_type_hints(model).get(str(part))
    return get_origin(model) is tuple
