"""Tables for GitHub."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.printable import printable
from harness.report.table import Document, Table

_MARKUP = re.compile(r"[\\`*~|$]|(?<!\w)_|_(?!\w)|\[(?=[^\]]*\][(\[:])|!(?=\[)")
"""What begins or ends markup; a backslash in front of it makes it a character like any other."""
_ENTITIES = str.maketrans({"&": "&amp;", "@": "&#64;"})
"""What begins a character of HTML, or calls a person."""
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
"""What begins a tag or a comment of HTML, which the sign in `p < 0.001` does not."""
_LINK = re.compile(r"!?\[(?=[^\]]*\][(\[:])")


def escaped(text: str) -> str:
    """A name as markdown that shows it and does nothing else."""
    return _TAG.sub("&lt;", _MARKUP.sub(r"\\\g<0>", text).translate(_ENTITIES))


def inert(text: str) -> str:
    """A sentence of ours that may quote a name: its own code spans stay, and no HTML, picture or link comes of it."""
    return _TAG.sub("&lt;", _LINK.sub(lambda found: found[0].replace("[", "\\["), text))


def to_markdown(document: Document) -> str:
    """GitHub's pipe tables, each under its title, then the remarks."""
    tables = document.tables()
    blocks = [markdown_tables(tables)] if tables else []
    blocks += ["".join(f"{inert(printable(line))}\n" for line in paragraph) for paragraph in document.remarks]
    return "\n".join(blocks)


def markdown_tables(tables: Sequence[Table]) -> str:
    """Pipe tables alone."""
    from tabulate import tabulate

    blocks = []
    for table in (table.printable() for table in tables):
        grid = tabulate(
            [[escaped(cell) for cell in row] for row in table.rows],
            headers=[escaped(heading) for heading in table.headings],
            tablefmt="github",
            disable_numparse=True,
            colalign=["right" if heading in table.numbers else "left" for heading in table.headings]
            if table.rows
            else None,
        )
        blocks += [f"### {escaped(table.title)}", grid, *map(inert, table.notes_on(table.headings))]
    return "\n\n".join(blocks) + "\n"
