"""Synthetic defects of six public kinds, for where real ones are lacking."""

from __future__ import annotations

from collections.abc import Iterable

from harness import Defect, hookimpl


@hookimpl
def harness_defects() -> Iterable[type[Defect]]:
    """Offer `scratch`, `spot`, `crack`, `stain`, `missing_piece` and `foreign_texture`."""
    from harness_defects.lines import Crack, Scratch
    from harness_defects.patches import ForeignTexture, MissingPiece, Spot, Stain

    return [Scratch, Spot, Crack, Stain, MissingPiece, ForeignTexture]
