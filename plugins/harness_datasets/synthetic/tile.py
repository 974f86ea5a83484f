"""A speckled stone tile that fills the picture."""

from __future__ import annotations

import numpy as np

from harness_datasets.synthetic.canvas import (
    Array,
    axes,
    blend,
    blob,
    filled,
    fractal,
    inside,
    noise,
    placed,
    plain,
    stroke,
    tinted,
    turned,
    uniform,
    walk,
)

DEFECTS = ("crack", "glue_strip", "gray_stroke", "oil", "rough")


def draw(rng: np.random.Generator, n: int, defect: str, fault: np.random.Generator) -> tuple[Array, Array]:
    """The picture, (3, n, n) in 0 to 1, and how far each pixel belongs to the defect, (n, n)."""
    canvas = filled(n, tinted(rng, (0.78, 0.74, 0.71), 0.025))
    canvas *= 1 + 0.05 * fractal(rng, n, 12, 3)
    for cells, limit, colour in (
        (22, 0.75, (0.58, 0.53, 0.51)),
        (26, 0.95, (0.36, 0.33, 0.33)),
        (40, 1.15, (0.17, 0.16, 0.17)),
        (30, 1.45, (0.62, 0.40, 0.33)),
    ):
        speckle = noise(rng, n, cells) + 0.35 * noise(rng, n, cells * 2)
        blend(canvas, tinted(rng, colour, 0.03), 0.9 * np.clip((speckle - limit) * 5, 0, 1))
    x, y = axes(n)
    canvas *= 1 + uniform(rng, -0.04, 0.04) * x + uniform(rng, -0.04, 0.04) * y
    return canvas, _damage(canvas, fault, n, defect)


def _damage(canvas: Array, rng: np.random.Generator, n: int, defect: str) -> Array:
    spot = (uniform(rng, -0.5, 0.5), uniform(rng, -0.5, 0.5))
    lie = uniform(rng, 0, np.pi)
    if defect == "crack":
        start = (spot[0] - np.cos(lie) * 0.9, spot[1] - np.sin(lie) * 0.9)
        path = walk(rng, start, lie, 1.8, 0.5)
        branch = walk(rng, path[int(rng.integers(4, 9))], lie + uniform(rng, 0.6, 1.2), 0.6, 0.5)
        cover = np.maximum(stroke(n, path, 0.035), stroke(n, branch, 0.025))
        blend(canvas, (0.06, 0.05, 0.05), 0.95 * cover)
        return cover
    if defect == "glue_strip":
        u, v = turned(n, spot, lie)
        cover = inside(np.maximum(np.abs(v + 0.02 * noise(rng, n, 10)) - uniform(rng, 0.09, 0.13), np.abs(u) - 0.6))
        blend(canvas, (0.93, 0.86, 0.62), 0.75 * cover)
        return cover
    if defect == "gray_stroke":
        cover = np.zeros((n, n), dtype=np.float32)
        for start in placed([(-0.4, -0.06), (-0.4, 0.0), (-0.4, 0.06)], spot, lie):
            cover = np.maximum(cover, stroke(n, walk(rng, start, lie, 0.8, 0.15), 0.075))
        blend(canvas, (0.47, 0.47, 0.48), 0.85 * cover)
        return cover
    if defect == "oil":
        cover = blob(rng, n, spot, uniform(rng, 0.24, 0.34), 0.22)
        canvas *= (1 - cover) + cover * plain((0.52, 0.44, 0.30))
        return cover
    if defect == "rough":
        cover = blob(rng, n, spot, uniform(rng, 0.24, 0.34), 0.3)
        grit = np.clip(0.78 + 0.30 * noise(rng, n, 110), 0, 1) * plain((1, 0.97, 0.93))
        blend(canvas, grit, 0.92 * cover)
        return cover
    return np.zeros((n, n), dtype=np.float32)
