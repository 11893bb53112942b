"""YAML to plain values that remember the line they stand on. Safe loading only; a repeated key is an error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import PurePath
from typing import Any

import numpy as np
import yaml

Path = tuple[str | int, ...]
Line = int | str  # of the file, from 1, or the argument of the command line that says it instead
Lines = dict[Path, Line]
MERGE = "tag:yaml.org,2002:merge"
MOST_VALUES = 1_000_000  # of a document with its aliases expanded

CORE_SCHEMA = {  # YAML 1.2.2, section 10.3.2: what a plain scalar is; everything else is text
    "null": (r"~|null|Null|NULL|", "~nN"),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    "merge": (r"<<", "<"),  # of YAML 1.1, for anchors
}
_RESOLVERS: dict[str, list[tuple[str, re.Pattern[str]]]] = {"": [("tag:yaml.org,2002:null", re.compile("$"))]}
for _kind, (_pattern, _first) in CORE_SCHEMA.items():
    for _character in _first:
        resolver = f"tag:yaml.org,2002:{_kind}", re.compile(rf"(?:{_pattern})$")
        _RESOLVERS.setdefault(_character, []).append(resolver)


class Loader(yaml.SafeLoader):  # type: ignore[misc]
    """The safe loader with YAML 1.2's core schema: PyYAML's own is 1.1's, where 010 is 8, 1:30 is 90 and `on` is true,
    and 1e-3 is text."""

    yaml_implicit_resolvers = _RESOLVERS
    converted = 0  # values so far


class Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Puts in quotes what `Loader` would not read as text."""

    yaml_implicit_resolvers = _RESOLVERS


def _integer(loader: Loader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


Loader.add_constructor("tag:yaml.org,2002:int", _integer)


class YamlError(Exception):
    """`line` says where; the message says what."""

    def __init__(self, line: Line, problem: str) -> None:
        super().__init__(problem)
        self.line = line


@dataclass(frozen=True)
class Marked:
    """A value and its line. `value` is a scalar, a list of Marked, or a dict of str to Marked."""

    value: Any
    line: Line

    def plain(self) -> Any:
        """The value without lines."""
        if isinstance(self.value, dict):
            return {key: one.plain() for key, one in self.value.items()}
        return [one.plain() for one in self.value] if isinstance(self.value, list) else self.value


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
        raise YamlError(
            1, "lists or mappings stand too deep in each other, or an alias refers to its own value"
        ) from error
    finally:
        loader.dispose()


def _convert(loader: Loader, node: yaml.Node) -> Marked:
    line = node.start_mark.line + 1
    loader.converted += 1
    if loader.converted > MOST_VALUES:
        raise YamlError(line, f"aliases make more than {MOST_VALUES:,} values of this; write out what is needed")
    if isinstance(node, yaml.SequenceNode):
        return Marked([_convert(loader, item) for item in node.value], line)
    if isinstance(node, yaml.MappingNode):
        return Marked(_merged(loader, node) | _own_entries(loader, node), line)
    try:
        value = loader.construct_object(node)
    except ValueError as error:
        raise YamlError(line, f"cannot read '{node.value}': {error}") from error
    if isinstance(value, str) and "\0" in value:
        raise YamlError(line, "holds a NUL character, which no name, path or text may have; remove it")
    return Marked(value, line)


def _own_entries(loader: Loader, node: yaml.MappingNode) -> dict[str, Marked]:
    entries: dict[str, Marked] = {}
    for key_node, value_node in node.value:
        if key_node.tag == MERGE:
            continue
        key = loader.construct_object(key_node, deep=True)
        key_line = key_node.start_mark.line + 1
        if not isinstance(key, str):
            raise YamlError(key_line, f"key {key!r} is not text; quote it")
        if key in entries:
            raise YamlError(key_line, f"key '{key}' stands twice; keep one")
        entries[key] = Marked(_convert(loader, value_node).value, key_line)
    return entries


def _merged(loader: Loader, node: yaml.MappingNode) -> dict[str, Marked]:
    """What `<<` brings from other mappings, of several the first; the mapping's own keys override it."""
    entries: dict[str, Marked] = {}
    for key_node, value_node in node.value:
        if key_node.tag == MERGE:
            several = isinstance(value_node, yaml.SequenceNode)
            for source in value_node.value if several else [value_node]:
                if not isinstance(source, yaml.MappingNode):
                    raise YamlError(
                        key_node.start_mark.line + 1, "<< takes a mapping, such as *anchor, or a list of them"
                    )
                entries = _convert(loader, source).value | entries
    return entries


def to_yaml(mapping: Mapping[str, Any]) -> str:
    """A mapping of plain values as YAML that `parse` reads. Numbers and arrays of numpy and paths are plain, too.

    Raises YamlError, at line 1, for a value that YAML does not have, and for keys that are not text.
    """
    try:
        plain = _plain(mapping, ())
    except RecursionError as error:
        raise YamlError(1, "a value holds itself; write it out") from error
    return str(yaml.dump(plain, Dumper=Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=120))


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
        seen: set[Any] = set()
        for item in value:
            for choice, lines in expand(item, path, is_tuple):
                known = _comparable(choice)
                if known in seen:
                    raise YamlError(item.line, f"{dotted(path)}: {choice} stands twice in the list; keep one")
                seen.add(known)
                yield choice, {**lines, path: item.line}
    else:
        yield value, {path: line}


def _comparable(choice: Any) -> Any:
    """What is equal for choices that are: 1 and 1.0, but neither and true."""
    if isinstance(choice, dict):
        return frozenset((key, _comparable(value)) for key, value in choice.items())
    return tuple(map(_comparable, choice)) if isinstance(choice, tuple) else (choice, isinstance(choice, bool))


def number_of_choices(marked: Marked, path: Path, is_tuple: Any) -> int:
    """How many `expand` gives, without making them."""
    value = marked.value
    if isinstance(value, dict):
        return prod(number_of_choices(child, (*path, key), is_tuple) for key, child in value.items())
    if not isinstance(value, list) or (is_tuple(path) and not any(isinstance(v.value, list) for v in value)):
        return 1
    return sum(number_of_choices(item, path, is_tuple) for item in value)


def dotted(path: Path) -> str:
    """('optimizer', 'learning_rate') -> 'optimizer.learning_rate'."""
    return ".".join(str(part) for part in path)
