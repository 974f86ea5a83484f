"""The page's script: its modules (templates/report/*.js) one after the other, each behind those that it imports."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

START = "start"
"""The module that imports all others."""
_IMPORT = re.compile(r'^import (?:\{[^}]*\} from )?"\./(\w+)\.js";\n', flags=re.MULTILINE)
_EXPORT = re.compile(r"^export (?=const |let |function |async function )", flags=re.MULTILINE)


@cache
def script() -> str:
    """One script without imports, so that a page holds it whole and its policy allows it by one digest.

    All modules share a scope in it, so that no two may define the same name, and imports may not rename.
    """
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", text)).strip() + "\n" for text in _in_order(START, {}).values())


def _in_order(name: str, found: dict[str, str]) -> dict[str, str]:
    """A module and all that it imports, by name: what is imported comes first."""
    if name not in found:
        text = (files("harness.report") / "templates" / "report" / f"{name}.js").read_text(encoding="utf-8")
        found[name] = ""  # so that modules that import each other end; functions may be called before they are defined
        for imported in _IMPORT.findall(text):
            _in_order(imported, found)
        del found[name]
        found[name] = text
    return found
