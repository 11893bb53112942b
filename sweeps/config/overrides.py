"""`KEY=VALUE` behind a grid on the command line replaces a key of its document, dotted where it stands inside another.

The value is YAML, and several with commas between them are a list. What is wrong with it is said of the argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sweeps.config.spec_parsing import SHORTHAND
from sweeps.config.yaml_lines import Line, Marked, Path, YamlError, dotted, parse

SPELLED = dict.fromkeys(SHORTHAND, "name") | {"views": "recipe"}  # what a text in place of a mapping is
WHOLE = ("linked", "exclude")  # keys whose commas are their own


def overridden(top: dict[str, Marked], arguments: Sequence[str]) -> list[dict[str, Marked]]:
    """The keys of a grid, and the same after each argument. Raises YamlError, its line the argument."""
    found, seen = [top], list[Path]()
    for text in arguments:
        key, equals, value = text.partition("=")
        path: Path = tuple(key.strip().split("."))
        line = f"argument {text}"
        if not equals or not all(path) or not value.strip():
            raise YamlError(line, "is not KEY=VALUE; write P=64,128 or optimizer.learning_rate=3e-4")
        if path in seen:
            raise YamlError(line, f"{dotted(path)} stands twice on the command line; keep one")
        seen.append(path)
        said = _said(value, line, split=key.strip() not in WHOLE)
        found.append(placed(Marked(found[-1], 1), path, said).value)
    return found


def placed(tree: Marked, path: Path, value: Marked, replaces: bool = True, above: Path = ()) -> Marked:
    """A tree with `value` at `path`, in a list in each of its values; mappings on the way there are made.

    Raises: YamlError where there is something else on the way, or, unless it `replaces`, at the path itself.
    """
    if isinstance(tree.value, list):
        return replace(tree, value=[placed(one, path, value, replaces, above) for one in tree.value])
    key, *below = path
    mapping, here = _mapping(tree, above, str(key), value.line), (*above, key)
    if not below and not replaces and key in mapping:
        also = mapping[key].line
        where = f"line {also}" if isinstance(also, int) else also
        raise YamlError(value.line, f"{dotted(here)}: is linked and stands at the top too ({where}); keep one")
    inside = mapping.get(str(key), Marked({}, value.line))
    return replace(tree, value=mapping | {key: placed(inside, tuple(below), value, replaces, here) if below else value})


def _mapping(tree: Marked, at: Path, key: str, line: Line) -> dict[str, Marked]:
    value: Any = tree.value
    if isinstance(value, dict):
        return value
    if value is None:
        return {}
    if isinstance(value, str) and at and at[-1] in SPELLED:
        return {SPELLED[str(at[-1])]: tree}
    raise YamlError(line, f"{dotted((*at, key))}: {dotted(at)} is {value}, which has no keys; leave '.{key}' out")


def _said(value: str, line: str, split: bool) -> Marked:
    """A value as YAML; with `split` as it stands in a list, which it is where there are several."""
    try:
        if not split:
            return _at(parse(value), line)
        try:
            found = parse(f"[{value}\n]").value
        except YamlError:  # such as DIR/{00000..00127}.tar, which is a text alone but not in a list
            found = [parse(value)]
            if not isinstance(found[0].value, str):
                raise
    except YamlError as error:
        raise YamlError(line, f"{error}; put a text with brackets, braces or commas in quotes of its own") from error
    return _at(found[0] if len(found) == 1 else Marked(found, 1), line)


def _at(marked: Marked, line: str) -> Marked:
    """The same, all of it said by an argument."""
    value: Any = marked.value
    if isinstance(value, dict):
        value = {key: _at(one, line) for key, one in value.items()}
    elif isinstance(value, list):
        value = [_at(one, line) for one in value]
    return Marked(value, line)
