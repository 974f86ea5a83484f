"""Photos with synthetic defects, for where there are no bad ones: weaker evidence, and better than none."""

from __future__ import annotations

import numpy as np

from harness.api import GOOD, BoolArray, Defect, Images, Split
from harness.audit.duplicates import groups
from harness.images.foreground import foreground
from harness.plugin.registry import Registry

HELD_OUT = 0.3
"""The share of the good photos that is kept from fitting, to paint defects on copies of."""
_MOST = 60
"""So many copies are painted at most."""


def with_synthetic_defects(good: Images, registry: Registry, seed: int) -> Split:
    """Good photos to fit on, and as a test others, as they are and with a defect of each kind in turn.

    Near-duplicates are on one side. Equal seeds give equal photos.
    """
    group = groups(good.pixels)
    drawn = np.random.default_rng(seed).permutation(int(group.max()) + 1)
    wanted = max(2, round(HELD_OUT * len(good)))
    apart = np.zeros(len(good), dtype=bool)
    for one in drawn:
        if apart.sum() >= wanted:
            break
        apart |= group == one
    held_out = good.take(np.flatnonzero(apart))
    return Split(good.take(np.flatnonzero(~apart)), painted(held_out, registry, seed))


def painted(good: Images, registry: Registry, seed: int) -> Images:
    """The photos, followed by copies that have one defect each, of every kind that plugins offer, with masks."""
    kinds = [registry.make(Defect, name) for name in registry.offers(Defect)]
    copies = min(_MOST, max(len(good), 2 * len(kinds)))
    pixels, masks, defects, names = list(good.pixels), [_nothing(good)] * len(good), [GOOD] * len(good), [*good.paths]
    for at in range(copies):
        defect, photo = kinds[at % len(kinds)], (at // len(kinds) + at) % len(good)
        image = np.asarray(good.pixels[photo])
        image, mask = defect.paint(image, foreground(image), np.random.default_rng([seed, at]))
        pixels.append(image)
        masks.append(mask)
        defects.append(f"{defect.name} (synthetic)")
        names.append(f"{good.paths[photo]} with {defect.name} {at}")
    return Images(np.stack(pixels), tuple(names), tuple(defects), np.stack(masks).astype(np.uint8))


def _nothing(good: Images) -> BoolArray:
    return np.zeros(good.pixels.shape[1:3], dtype=bool)
