"""Keeps folders, which often name a person, out of what is stored of a trial, exported and sent to trackers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.trials.record import Record
from harness.trials.trial import Outcome

_START = r"(?:/|~[/\\]|\\\\|[A-Za-z]:[/\\])"
_QUOTED = re.compile(rf"""(?P<quote>['"`]){_START}(?:(?!(?P=quote)).)*[/\\](?P<name>(?:(?!(?P=quote)).)*)(?P=quote)""")
_BARE = re.compile(
    rf"""(?:(?<![\w./\\~'"`-])(?!(?<=:)//){_START}|(?:file|sqlite):/+)"""  # a URL's host is no folder
    r"""[^\s'"`,;:()\[\]<>]*[/\\](?P<name>[^\s'"`,;:()\[\]<>/\\]+)"""
)
_PLUGIN_FILE = re.compile(r"^(?P<folder>.*[/\\])(?P<name>[^/\\]+\.py [0-9a-f]{8})$")
"""What records of before say of a plugin that is a file: its path, which may have blanks, and its digest."""


def short(text: str, known: Iterable[Path] = ()) -> str:
    """A text in which whole paths have become `.../name`, and those within a known folder begin there.

    The name of a data set's image says which one is meant; where it lay is nobody's business but its owner's.
    """
    if "/" not in text and "\\" not in text:
        return text
    for folder in known:
        if len(folder.parts) > 1:
            text = re.sub(rf"(?<![\w.]){re.escape(str(folder))}/", "", text)
    text = text.replace(f"{Path.home()}/", "~/") if len(Path.home().parts) > 1 else text
    text = _PLUGIN_FILE.sub(lambda found: found["name"], text)
    text = _QUOTED.sub(lambda found: f"{found['quote']}.../{found['name']}{found['quote']}", text)
    return _BARE.sub(lambda found: f".../{found['name']}", text)


def without_folders(outcome: Outcome, known: Iterable[Path | None] = ()) -> Outcome:
    """The same outcome, whose reason and record name no folder outside the known ones."""
    folders = [folder.absolute() for folder in known if folder is not None]
    reason, record = short(outcome.reason, folders), record_without_folders(outcome.record, folders)
    if reason == outcome.reason and record is outcome.record:
        return outcome
    return replace(outcome, reason=reason, record=record)


def record_without_folders(record: Record, folders: Iterable[Path] = ()) -> Record:
    """The same record, with short paths; records of before may have those of plugin files."""
    told: dict[str, Any] = {"incomplete": record.incomplete}
    told |= {name: getattr(record, name) for name in ("plugins", "pools", "pool_faults", "resolved", "grave")}
    changed: dict[str, Any] = {}
    for name, value in told.items():
        shorter = _short_values(value, folders) if isinstance(value, Mapping) else short(value, folders)
        if shorter != value:
            changed[name] = shorter
    return replace(record, **changed) if changed else record


def _short_values(values: Mapping[str, str], folders: Iterable[Path]) -> dict[str, str]:
    return {name: short(text, folders) for name, text in values.items()}
