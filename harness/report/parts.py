"""What can be crossed, and who offers it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from harness.api import Part
from harness.plugin.registry import Offer, Plugin, Registry
from harness.plugin.spec import describe, option_types, options_of, write
from harness.report.table import Table, csv_text, json_text, markdown, rich_text


def render_parts(registry: Registry, kinds: Sequence[type[Part]], style: str) -> str:
    """The parts of these kinds with options, defaults, plugin and version."""
    rows = [_row(kind, offer) for kind in kinds for offer in registry.offers(kind).values()]
    columns = ("kind", "name", "options", "plugin", "version", "licence", "source", "summary")
    if style == "json":
        return json_text(rows)
    if style == "csv":
        return csv_text(rows, columns)
    tables = []
    for kind in kinds:
        cells = [
            [row["name"], " ".join(f"{name}={text}" for name, text in row["options"].items()), row["summary"], _by(row)]
            for row in rows
            if row["kind"] == kind.kind
        ]
        tables.append(Table(plural(kind.kind), ["name", "options and defaults", "what it is", "offered by"], cells))
    return markdown(tables) if style == "md" else rich_text(tables)


def render_plugins(plugins: Sequence[Plugin], style: str) -> str:
    """All plugins, the broken ones with their reasons."""
    rows: list[dict[str, Any]] = [
        {
            "plugin": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "status": "broken" if plugin.problems else "ok",
            "problems": plugin.problems,
        }
        for plugin in plugins
    ]
    columns = ("plugin", "distribution", "version", "status", "problems")
    if style == "json":
        return json_text(rows)
    if style == "csv":
        return csv_text(rows, columns)
    cells = [[*(str(row[column]) for column in columns[:4]), "; ".join(row["problems"])] for row in rows]
    table = Table("plugins", columns, cells)
    return markdown([table]) if style == "md" else rich_text([table])


def _row(kind: type[Part], offer: Offer) -> dict[str, Any]:
    part = offer.part
    return {
        "kind": kind.kind,
        "name": part.name,
        "options": {option.name: write(option.default) for option in options_of(part)},
        "types": {name: describe(wanted) for name, wanted in option_types(part).items()},
        "plugin": offer.plugin.distribution,
        "version": offer.plugin.version,
        "licence": part.licence,
        "source": part.source,
        "summary": (inspect.getdoc(part) or "").split("\n")[0],
    }


def plural(kind: str) -> str:
    """`losses`, `models`."""
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"


def _by(row: dict[str, Any]) -> str:
    return f"{row['plugin']} {row['version']}"
