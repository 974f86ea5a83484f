"""Tables for a paper."""

from __future__ import annotations

from collections.abc import Sequence

from harness.printable import printable
from harness.report.table import Document, Table

_SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "%": r"\%",
        "_": r"\_",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\symbol{34}",
        "`": r"\textasciigrave{}",
        "±": r"$\pm$",
        "·": r"\textperiodcentered{}",
        "▽": r"$\bigtriangledown$",
    }
)


def to_latex(document: Document) -> str:
    r"""A floating table for each one, with booktabs' rules; remarks are comments below them.

    It compiles with pdflatex where names hold letters that its fonts have; lualatex takes any.
    """
    tables = document.tables()
    blocks = [r"% The preamble needs \usepackage{booktabs}."] if tables else []
    blocks += [_floating(table.printable()) for table in tables]
    blocks += ["\n".join(f"% {printable(line)}" for line in paragraph) for paragraph in document.remarks]
    return "".join(f"{block}\n" for block in blocks)


def _floating(table: Table) -> str:
    alignment = "".join("r" if heading in table.numbers else "l" for heading in table.headings)
    rows = [_row(row) for row in table.rows]
    if table.faint and len(table.faint) < len(rows):
        rows.insert(min(table.faint), r"\midrule")
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_escaped(table.title)}}}",
            rf"\begin{{tabular}}{{{alignment}}}",
            r"\toprule",
            _row(table.headings),
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            *(rf"\par\smallskip\footnotesize {_escaped(note)}" for note in table.notes_on(table.headings)),
            r"\end{table}",
        ]
    )


def _row(cells: Sequence[str]) -> str:
    r"""One line of a table. A group keeps `[` and `*` at its start from being read as options of the `\\` before it."""
    text = " & ".join(_escaped(cell) for cell in cells)
    return f"{'{}' if text.startswith(('[', '*')) else ''}{text} \\\\"


def _escaped(text: str) -> str:
    return text.translate(_SPECIAL)
