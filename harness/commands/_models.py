"""How a kept model is named on the command line."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError, unknown
from harness.trials.saved_model import find


def directory_of(model: str, store: Path) -> Path:
    """A model's directory from its path, or in a store from its name, the beginning of that, or its trial id.

    Raises UsageError.
    """
    if model and Path(model).is_dir():
        return Path(model)
    kept = store / "models"
    names = sorted(child.name for child in kept.iterdir() if child.name[:1] != ".") if kept.is_dir() else []
    found = find(kept, model)
    meant = [found.name] if found else [name for name in names if name.startswith(model)]
    if len(meant) > 1:
        raise UsageError(f"{model!r} is the beginning of {len(meant)} models in {kept}: {', '.join(meant)}")
    if not meant:
        hint = f"`harness run --keep-models` keeps models in {kept}"
        raise UsageError(f"{unknown('model', model, names)} {hint}, or give the path of one")
    return kept / meant[0]
