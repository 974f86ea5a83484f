"""`resize`, `tiles` and `overlap`: how images are brought to the size that a network takes, or cut into tiles of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.api import Run
from harness.errors import UsageError
from harness.images.framing import PAD, STRETCH, TILES
from harness.images.tiles import Tiling
from harness.trials.protocols.protocol import Category, Protocol
from harness.trials.settings import Settings


class Cutting(Protocol):
    """Changes how the worker reads images and wraps models. The split stays as it is, so `present` does nothing."""

    fields = ("resize", "tiles", "overlap")

    def asked(self, settings: Settings) -> Sequence[Mapping[str, Any]]:
        called = settings.called
        found = [
            {"resize": resize, "tiles": tile, "overlap": _overlap(settings, tile) if tile else 0}
            for resize, tile in _ways(settings)
        ]
        if settings.overlap is not None and not any(one["tiles"] for one in found):
            raise UsageError(f"{called('overlap')} is of tiles: give {called('tiles')} too, such as 256")
        return found

    def fault(self, asked: Settings, category: Category) -> str:
        for resize, tile in _ways(asked):
            if resize not in category.resizes:
                known = " or ".join(category.resizes)
                advice = f"; give {asked.called('image_size')} too, which {asked.called('tiles')} are cut from"
                said = f"{asked.called('resize')} {resize}: data set {category.dataset!r} knows {known} only"
                return said + advice * bool(tile and asked.image_size is None)
            if not tile:
                continue
            if resize == STRETCH and tile > category.image_size:
                return (
                    f"{asked.called('tiles')} {tile}: images are resized to {category.image_size}x"
                    f"{category.image_size}, which is smaller; give a larger {asked.called('image_size')}"
                )
            if resize == TILES and (smaller := category.smaller_than(tile)):
                return (
                    f"{asked.called('tiles')} {tile}: {category.name} has images of {smaller}, which are smaller; "
                    f"take tiles of at most {min(map(int, smaller.split('x')))}"
                )
        return ""


def _ways(settings: Settings) -> Iterator[tuple[str, int]]:
    """Every pair of a way to resize and a size of tile that is asked for; 0 stands for no tiles. Raises UsageError."""
    called, tiles = settings.called, [0 if isinstance(tile, str) else tile for tile in settings.tiles]
    for resize in settings.resize or (None,):
        for tile in tiles:
            if resize == PAD and tile:
                raise UsageError(
                    f"{called('resize')} {PAD} with {called('tiles')} {tile}: tiles need no padding, so give "
                    f"{called('resize')} {TILES}"
                )
            if resize == TILES:
                yield TILES, tile or settings.image_size or Run.image_size
            elif resize is None and tile and settings.image_size is None:
                yield TILES, tile
            else:
                yield resize or STRETCH, tile
    size = settings.image_size
    if settings.resize == (TILES,) and size is not None and any(tile not in (0, size) for tile in tiles):
        raise UsageError(
            f"{called('image_size')} {size}: with {called('resize')} {TILES} images keep their own size, and "
            f"{called('tiles')} say what models are given; leave it out"
        )


def _overlap(settings: Settings, tile: int) -> int:
    """The overlap in pixels, by default a quarter of a tile. Raises UsageError if it is more than half a tile."""
    return Tiling(tile, tile // 4 if settings.overlap is None else settings.overlap).overlap
