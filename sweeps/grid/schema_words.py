"""Pydantic's JSON schema of a spec in plain words, and plain values as a grid spells them."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import TypeAdapter

Schema = dict[str, Any]
WORDS = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
LIMITS = {"exclusiveMinimum": "above", "minimum": "from", "maximum": "to"}


def schema_of(model: Any) -> Schema:
    """The schema of a class, with that of every class inside it in its place."""
    whole = TypeAdapter(model).json_schema()
    placed: Schema = _placed(whole, whole.get("$defs", {}))
    return placed


def properties(schema: Schema) -> Schema:
    """Key -> schema of what stands there; empty where the schema is not that of a mapping with known keys."""
    found = [branch["properties"] for branch in schema.get("anyOf", [schema]) if "properties" in branch]
    return found[0] if found else {}


def values_of(schema: Schema) -> str:
    """What a value may be, such as 'whole number' or '`adam`, `sgd`'; null goes without saying."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(values_of(one) for one in schema["anyOf"] if one.get("type") != "null"))
    if "enum" in schema or "const" in schema:
        return names(schema.get("enum") or [schema["const"]])
    if "prefixItems" in schema:
        return f"[{', '.join(values_of(item) for item in schema['prefixItems'])}]"
    if schema.get("type") == "array":
        items = schema["items"]
        return f"list of {values_of(items)}" + ("" if "enum" in items else "s")
    limits = [f"{word} {schema[key]:g}" for key, word in LIMITS.items() if key in schema]
    return " ".join([WORDS.get(schema.get("type", ""), "mapping"), *limits])


def names(listed: Any) -> str:
    """`a`, `b`."""
    return ", ".join(f"`{name}`" for name in listed)


def yaml_of(value: Any) -> str:
    """A plain value on one line, such as {name: resnet18, stem: small} or 1e-6."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {yaml_of(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(yaml_of, value))}]"
    return re.sub(r"e-0", "e-", value if isinstance(value, str) else json.dumps(value))


def _placed(schema: Any, definitions: Schema) -> Any:
    if isinstance(schema, list):
        return [_placed(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    named = definitions[schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else {}
    return {key: _placed(part, definitions) for key, part in (named | schema).items() if key not in ("$ref", "$defs")}
