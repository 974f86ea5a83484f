"""Photos with synthetic defects, used if there are no bad photos. They are weaker evidence, but better than none."""

from __future__ import annotations

import numpy as np

from harness.api import GOOD, BoolArray, Defect, Images, Split
from harness.audit.duplicates import groups
from harness.images.foreground import foreground
from harness.plugin.registry import Registry

HELD_OUT = 0.3
"""The share of good photos that is not fitted, so that defects can be painted on copies of them."""
_MOST = 60
"""At most this many copies are painted."""


def with_synthetic_defects(good: Images, registry: Registry, seed: int) -> Split:
    """Good photos to fit to, and other good photos to test on, both as they are and with painted defects.

    Near-duplicates stay together on one side. Equal seeds give equal photos.
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
    """The photos, followed by copies with one defect each and its mask, of all kinds that plugins offer in turn."""
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
