"""The parts that can be crossed, and the plugins that offer them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from harness.api import Part
from harness.plugin.options import default_of, describe, option_types, options_of, write
from harness.plugin.registry import Offer, Plugin, Registry
from harness.report.table import Document, Row, Table


def parts_document(registry: Registry, kinds: Sequence[type[Part]]) -> Document:
    """The parts of these kinds with options, defaults, plugin and version."""
    rows = [_row(kind, offer) for kind in kinds for offer in registry.offers(kind).values()]
    return Document(
        tables=lambda: [_table(kind.kind, [row for row in rows if row["kind"] == kind.kind]) for kind in kinds],
        rows=lambda: rows,
        columns=("kind", "name", "options", "plugin", "version", "licence", "source", "summary"),
    )


def _table(kind: str, rows: Sequence[Row]) -> Table:
    cells = [
        [
            row["name"],
            " ".join(f"{name}={text}" for name, text in row["options"].items()),
            row["summary"],
            f"{row['plugin']} {row['version']}",
        ]
        for row in rows
    ]
    return Table(plural(kind), ["name", "options and defaults", "what it is", "offered by"], cells)


def plugins_document(plugins: Sequence[Plugin]) -> Document:
    """All plugins; broken ones with what is wrong with them."""
    rows: list[dict[str, Any]] = [
        {
            "plugin": plugin.name,
            "distribution": plugin.place,
            "version": plugin.version,
            "status": "broken" if plugin.problems else "ok",
            "problems": plugin.problems,
        }
        for plugin in plugins
    ]
    columns = ("plugin", "distribution", "version", "status", "problems")
    cells = [[*(str(row[column]) for column in columns[:4]), "; ".join(row["problems"])] for row in rows]
    return Document(lambda: [Table("plugins", columns, cells)], lambda: rows, columns)


def _row(kind: type[Part], offer: Offer) -> dict[str, Any]:
    part = offer.part
    return {
        "kind": kind.kind,
        "name": part.name,
        "options": {option.name: write(default_of(option)) for option in options_of(part)},
        "types": {name: describe(wanted) for name, wanted in option_types(part).items()},
        "plugin": offer.plugin.place,
        "version": offer.plugin.version,
        "licence": part.licence,
        "source": part.source,
        "summary": (inspect.getdoc(part) or "").split("\n")[0],
    }


def plural(kind: str) -> str:
    """The plural of a kind: `losses`, `models`."""
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"
