"""YAML to plain values that remember the line they stand on. Safe loading only; a repeated key is an error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import PurePath
from typing import Any

import numpy as np
import yaml

Path = tuple[str | int, ...]
Lines = dict[Path, int]


class Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML 1.1's safe loader, with YAML 1.2's idea of numbers and truth: PyYAML reads 1e-3 as text, `on` as true."""


_BOOL = "tag:yaml.org,2002:bool"
Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(_BOOL, re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*)(\.[\d_]*)?[eE][-+]?\d+$"),
    list("-+0123456789"),
)


class YamlError(Exception):
    """`line` (from 1) says where; the message says what."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


@dataclass(frozen=True)
class Marked:
    """A value and its line. `value` is a scalar, a list of Marked, or a dict of str to Marked."""

    value: Any
    line: int


def parse(text: str) -> Marked:
    """The document in `text`. Raises YamlError for bad syntax, repeated keys, keys that are not text."""
    try:
        loader = Loader(text)
    except yaml.YAMLError as error:  # characters that no YAML has, such as the NUL of a binary file
        raise YamlError(1, f"is not a text file of YAML: {' '.join(str(error).split())}") from error
    try:
        node = loader.get_single_node()
        if node is None:
            return Marked(None, 1)
        return _convert(loader, node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(filter(None, (error.context, error.problem)))
        raise YamlError(mark.line + 1 if mark else 1, f"is not valid YAML: {problem}") from error
    except yaml.YAMLError as error:
        raise YamlError(1, f"is not valid YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise YamlError(1, "an alias refers to the value it stands in") from error
    finally:
        loader.dispose()


def _convert(loader: Loader, node: yaml.Node) -> Marked:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return Marked([_convert(loader, item) for item in node.value], line)
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        entries: dict[str, Marked] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            key_line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise YamlError(key_line, f"key {key!r} is not text; quote it")
            if key in entries:
                raise YamlError(key_line, f"key '{key}' stands twice; keep one")
            entries[key] = Marked(_convert(loader, value_node).value, key_line)
        return Marked(entries, line)
    try:
        return Marked(loader.construct_object(node), line)
    except ValueError as error:
        raise YamlError(line, f"cannot read '{node.value}': {error}") from error


def to_yaml(mapping: Mapping[str, Any]) -> str:
    """A mapping of plain values as YAML that `parse` reads. Numbers and arrays of numpy and paths are plain, too.

    Raises YamlError, at line 1, for a value that YAML does not have, and for keys that are not text.
    """
    try:
        plain = _plain(mapping, ())
    except RecursionError as error:
        raise YamlError(1, "a value holds itself; write it out") from error
    return str(yaml.safe_dump(plain, sort_keys=False, default_flow_style=None, allow_unicode=True, width=120))


def _plain(value: Any, path: Path) -> Any:
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise YamlError(1, f"{dotted((*path, key))}: key {key!r} is not text; quote it")
        return {str(key): _plain(child, (*path, key)) for key, child in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist(), path)
    if isinstance(value, list | tuple | range):
        return [_plain(child, path) for child in value]
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, str):
        return str(value)  # a plain one also of a subclass
    if value is None or isinstance(value, bool | int | float):
        return value
    problem = f"{value!r} is a {type(value).__name__}; use text, a number, true or false, None, a list or a mapping"
    raise YamlError(1, f"{dotted(path)}: {problem}")


def expand(marked: Marked, path: Path, is_tuple: Any) -> Iterator[tuple[Any, Lines]]:
    """Every choice of one element from each list below `marked`, as plain values with their lines.

    A list for which `is_tuple(path)` holds is one value (a tuple), unless it is a list of lists.
    Raises YamlError for an empty list and for an element that stands twice.
    """
    value, line = marked.value, marked.line
    if isinstance(value, dict):
        choices = [list(expand(child, (*path, key), is_tuple)) for key, child in value.items()]
        for combination in product(*choices):
            lines: Lines = {path: line}
            for _, child_lines in combination:
                lines |= child_lines
            yield {key: child for key, (child, _) in zip(value, combination, strict=True)}, lines
    elif isinstance(value, list) and is_tuple(path) and not any(isinstance(v.value, list) for v in value):
        yield tuple(v.value for v in value), {path: line}
    elif isinstance(value, list):
        if not value:
            raise YamlError(line, f"{dotted(path)}: the list is empty; give at least one value or drop the key")
        seen: list[Any] = []
        for item in value:
            for choice, lines in expand(item, path, is_tuple):
                if any(choice == other and isinstance(choice, bool) == isinstance(other, bool) for other in seen):
                    raise YamlError(item.line, f"{dotted(path)}: {choice} stands twice in the list; keep one")
                seen.append(choice)
                yield choice, {**lines, path: item.line}
    else:
        yield value, {path: line}


def dotted(path: Path) -> str:
    """('optimizer', 'learning_rate') -> 'optimizer.learning_rate'."""
    return ".".join(str(part) for part in path)
