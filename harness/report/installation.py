"""What is installed here, as a table for a bug report."""

from __future__ import annotations

import platform

from harness.plugin.registry import Registry
from harness.report.table import Document, Table
from harness.trials import installation


def installation_document(registry: Registry) -> Document:
    """Version, machine, packages, variables, and plugins with what is wrong with them."""
    registry.broken  # noqa: B018  asks every plugin for its parts, which is what finds the faults
    rows = [
        ("harness", installation.release()),
        ("commit", installation.commit() or "unknown"),
        ("python", platform.python_version()),
        ("system", platform.platform()),
        ("device", installation.device()),
        ("bugs go to", installation.issues() or "the issues of the repository that you have this from"),
        *installation.packages().items(),
        *installation.environment().items(),
        *((f"plugin {plugin.name}", "; ".join(plugin.problems) or plugin.version) for plugin in registry.plugins),
    ]
    return Document(
        tables=lambda: [Table("installation", ["what", "found"], [list(row) for row in rows])],
        rows=lambda: [dict(zip(("what", "found"), row, strict=True)) for row in rows],
        columns=("what", "found"),
    )
