"""Where a store keeps its models: inside itself, and nowhere that a link leads to."""

from __future__ import annotations

from pathlib import Path

from harness.errors import ModelError


def models_of(store: Path) -> Path:
    """The folder of models of a store, whether it is there or not. Raises ModelError where a link leads out of it.

    A store may come from elsewhere: what is kept with it would be written, or read, wherever its author likes.
    """
    folder = store / "models"
    if not is_inside(folder, store):
        raise ModelError(
            f"folder of models {str(folder)!r} is a link that leads out of its store, to {str(folder.resolve())!r}: "
            "remove it, or link the store as a whole"
        )
    return folder


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path lies in a folder when all links are followed; one that goes round in circles lies nowhere."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return False
