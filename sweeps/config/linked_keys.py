"""`linked` of a grid: keys that advance together, where lists at the top would be combined.

Each link stands for as many trees as its lists have values; several links are combined.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from math import prod

from sweeps.config.overrides import placed
from sweeps.config.validation_errors import unknown_key
from sweeps.config.yaml_lines import Line, Marked, Path, YamlError, dotted

EXAMPLE = "such as {P: [64, 256], optimizer.learning_rate: [1.0e-3, 2.0e-3]}"


@dataclass(frozen=True)
class Link:
    """Keys that advance together: of each as many values."""

    line: Line
    lists: dict[Path, Marked]

    def __len__(self) -> int:
        return len(next(iter(self.lists.values())).value)

    def __str__(self) -> str:
        return " and ".join(map(dotted, self.lists))

    def trees(self, tree: Marked) -> Iterator[Marked]:
        """`tree` with the first value of each key, the second, and so on. Raises YamlError for a key that stands in it
        too."""
        for place in range(len(self)):
            yield reduce(
                lambda made, item: placed(made, item[0], item[1].value[place], False), self.lists.items(), tree
            )


def read_links(linked: Marked | None, run_keys: tuple[str, ...]) -> list[Link]:
    """The links of a grid whose runs have `run_keys`. Raises YamlError, at its line, for the first mistake."""
    if linked is None or linked.value is None:
        return []
    if not isinstance(linked.value, list):
        raise YamlError(linked.line, f"linked: must be a list of mappings, {EXAMPLE}")
    links = [_link(one, run_keys) for one in linked.value]
    before: list[Path] = []
    for path, values in (item for link in links for item in link.lists.items()):
        for other in before:
            if path[: len(other)] == other[: len(path)]:
                problem = f"{dotted(path)} stands beside {dotted(other)}, of which one is the other or lies in it"
                raise YamlError(values.line, f"linked: {problem}; link it once")
        before.append(path)
    return links


def linked_trees(tree: Marked, links: list[Link]) -> Iterator[Marked]:
    """What the links make of a tree, in which lists are combined as ever."""
    trees: list[Marked] = [tree]
    for link in links:
        trees = [made for one in trees for made in link.trees(one)]
    yield from trees


def unlinked(tree: Marked, links: list[Link]) -> Marked:
    """The tree with the linked lists as axes of their own."""
    lists = (item for link in links for item in link.lists.items())
    return reduce(lambda made, item: placed(made, item[0], item[1]), lists, tree)


def number_of_trees(links: list[Link]) -> int:
    return prod(map(len, links))


def _link(given: Marked, run_keys: tuple[str, ...]) -> Link:
    if not isinstance(given.value, dict) or not given.value:
        raise YamlError(given.line, f"linked: each link is a mapping of keys to lists, {EXAMPLE}")
    lists = {tuple(key.split(".")): values for key, values in given.value.items()}
    for path, values in lists.items():
        name = dotted(path)
        if path[0] not in run_keys:
            raise YamlError(values.line, f"linked: {unknown_key(name, run_keys)}")
        if path[0] == "evaluate":
            raise YamlError(values.line, f"linked: {name}: what is measured is no part of a run, and so no axis")
        if not isinstance(values.value, list) or not values.value:
            raise YamlError(values.line, f"linked: {name} needs a list of values, one for each step of its link")
    (first, one), *others = lists.items()
    if not others:
        raise YamlError(given.line, f"linked: {dotted(first)} stands alone in its link; make it a list at the top")
    for path, values in others:
        if len(values.value) != len(one.value):
            counts = f"{dotted(first)} has {len(one.value)} values and {dotted(path)} {len(values.value)}"
            raise YamlError(values.line, f"linked: {counts}; give equally many")
    steps = [json.dumps([values.value[place].plain() for values in lists.values()]) for place in range(len(one.value))]
    for place, step in enumerate(steps):
        if step in steps[:place]:
            raise YamlError(one.line, f"linked: step {place + 1} of {' and '.join(map(dotted, lists))} stands twice")
    return Link(given.line, lists)
