"""Fixtures that all tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SHARED = TESTS.parent.parent / "shared"


@pytest.fixture
def shared() -> Path:
    """The folder of real images and weights that lies beside the checkout on our machines."""
    if not SHARED.is_dir():
        pytest.skip("real images and weights (../shared) are not here")
    return SHARED


@pytest.fixture
def dots_plugin() -> Path:
    """A single-file plugin with one part of each kind, in numpy."""
    return TESTS / "plugin_files" / "dots.py"


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare text with a file in tests/golden; `UPDATE_GOLDEN=1 pytest` writes the file instead."""

    def compare(name: str, text: str) -> None:
        file = TESTS / "golden" / name
        if os.environ.get("UPDATE_GOLDEN") == "1":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8"), f"{name} differs: UPDATE_GOLDEN=1 pytest writes it anew"

    return compare
