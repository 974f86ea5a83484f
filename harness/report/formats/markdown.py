"""Tables for GitHub."""

from __future__ import annotations

from collections.abc import Sequence

from harness.printable import printable
from harness.report.table import Document, Table


def to_markdown(document: Document) -> str:
    """GitHub's pipe tables, each under its title, then the remarks."""
    tables = document.tables()
    blocks = [markdown_tables(tables)] if tables else []
    blocks += ["".join(f"{printable(line)}\n" for line in paragraph) for paragraph in document.remarks]
    return "\n".join(blocks)


def markdown_tables(tables: Sequence[Table]) -> str:
    """Pipe tables alone."""
    from tabulate import tabulate

    blocks = []
    for table in (table.printable() for table in tables):
        grid = tabulate(
            [[cell.replace("|", "\\|") for cell in row] for row in table.rows],
            headers=[heading.replace("|", "\\|") for heading in table.headings],
            tablefmt="github",
            disable_numparse=True,
            colalign=["right" if heading in table.numbers else "left" for heading in table.headings]
            if table.rows
            else None,
        )
        blocks += [f"### {table.title}", grid, *table.notes]
    return "\n\n".join(blocks) + "\n"
