"""What an SQL query can need of tables, so that no more is read of a store of many files.

DuckDB's parse tree is looked at, not the text. Where it has none (PIVOT, DESCRIBE, a mistake) everything is needed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import duckdb


def columns_needed(query: str, tables: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Table -> those of its columns that `query` names, or all of them; the tables that it names none of are left out.

    Args: query: SQL; tables: name -> columns of each table there is.
    """
    tree = _tree(query)
    if tree is None:
        return {table: list(columns) for table, columns in tables.items()}
    nodes = list(_nodes(tree))
    texts = {text.lower() for node in nodes for text in _texts(node)}
    names = [node.get(key) for node in nodes for key in ("table_name", "alias")]
    named = {name.lower() for name in names if isinstance(name, str)}
    rows = any(
        node.get("class") == "STAR"  # *, COLUMNS(...), FROM alone
        or node.get("ref_type") in ("NATURAL", "POSITIONAL")
        or (node.get("class") == "COLUMN_REF" and node["column_names"][-1].lower() in named - {""})  # a row as a struct
        for node in nodes
    )
    return {
        table: [name for name in columns if rows or name.lower() in texts]
        for table, columns in tables.items()
        if table.lower() in texts
    }


def unquoted_columns(query: str, columns: Sequence[str]) -> dict[str, list[str]]:
    """What `query` reads as a column of a table, such as optimizer.learning_rate without quotes, -> those of `columns`
    with a dot that may be meant: the one of that name, or all that begin so."""
    dotted = [name for name in columns if "." in name]
    found = {}
    for parts in _columns_written(query):
        if len(parts) > 1:
            written = f".{'.'.join(parts)}".lower()
            exact = [name for name in dotted if written.endswith(f".{name}".lower())]
            begun = [name for name in dotted if f".{name.split('.')[0]}.".lower() in written]
            found[".".join(parts)] = exact or begun
    return {written: meant for written, meant in found.items() if meant}


def settings_written(query: str, settings: Collection[str]) -> list[str]:
    """Those of `settings`, such as optimizer.learning_rate, that `query` has in the place of a column."""
    written = {f".{'.'.join(parts)}".lower() for parts in _columns_written(query)}
    return [name for name in settings if any(text.endswith(f".{name}".lower()) for text in written)]


def _columns_written(query: str) -> list[list[str]]:
    return [node["column_names"] for node in _nodes(_tree(query)) if node.get("class") == "COLUMN_REF"]


def _tree(query: str) -> Any:
    """The parse tree of a SELECT; None where DuckDB gives none."""
    with duckdb.connect(config={"enable_external_access": "false"}) as connection:
        try:
            ((text,),) = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()
        except (duckdb.Error, UnicodeEncodeError):
            return None
    tree = json.loads(text)
    return None if tree.get("error") else tree


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    for child in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _nodes(child)


def _texts(node: dict[str, Any]) -> Iterator[str]:
    for value in node.values():
        yield from (text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str))
