"""The settings of a run as people read them: the table of README, and the help of `harness.run`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from harness.trials.settings import SETTINGS

F = TypeVar("F", bound=Callable[..., Any])


def table() -> str:
    """All settings as the table of README, in markdown."""
    rows = ["| setting | default | what it is |", "|---|---|---|"]
    for name, setting in SETTINGS.items():
        others = [f"`{option}`" for option in setting.options if option.lstrip("-").replace("-", "_") != name]
        also = f" (on the command line {', '.join(others)})" if setting.option else ""
        also = also or (f" ({', '.join(others)} for short)" if others else "")
        rows.append(f"| `{name}`{also} | {_cell(setting.default_in_words)} | {_cell(setting.help)} |")
    return "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def with_settings(function: F) -> F:
    """Show all settings in the signature and help of a function that takes them as keywords."""
    keywords = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=setting.default)
        for name, setting in SETTINGS.items()
    ]
    returned = inspect.signature(function).return_annotation
    lines = [
        f"    {name}: {one.help}" + f" [{one.default_in_words}]" * bool(one.default_in_words)
        for name, one in SETTINGS.items()
    ]
    function.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\nSettings, with their defaults:\n" + "\n".join(
        lines
    )
    vars(function)["__signature__"] = inspect.Signature(keywords, return_annotation=returned)
    return function
