"""The mouth of a brown glass bottle from above, on a light table."""

from __future__ import annotations

import numpy as np

from harness_datasets.synthetic.canvas import (
    Array,
    axes,
    blend,
    blob,
    bump,
    filled,
    inside,
    noise,
    plain,
    polygon,
    stroke,
    tinted,
    turned,
    uniform,
    walk,
)

DEFECTS = ("broken_large", "broken_small", "contamination")

RINGS = (
    (0.00, (0.05, 0.035, 0.03)),
    (0.34, (0.06, 0.04, 0.03)),
    (0.40, (0.16, 0.09, 0.05)),
    (0.44, (0.62, 0.40, 0.22)),
    (0.49, (0.86, 0.66, 0.42)),
    (0.53, (0.50, 0.28, 0.13)),
    (0.60, (0.16, 0.09, 0.05)),
    (0.66, (0.10, 0.06, 0.04)),
    (0.76, (0.15, 0.08, 0.045)),
    (0.80, (0.24, 0.13, 0.07)),
    (0.84, (0.08, 0.05, 0.035)),
    (1.00, (0.05, 0.03, 0.02)),
)
"""Colour of the glass by distance from the middle, in radii of the bottle: mouth, lip, neck, shoulder, body."""
LIP = (0.40, 0.58)


def draw(rng: np.random.Generator, n: int, defect: str, fault: np.random.Generator) -> tuple[Array, Array]:
    """The picture, (3, n, n) in 0 to 1, and how far each pixel belongs to the defect, (n, n)."""
    centre = (uniform(rng, -0.05, 0.05), uniform(rng, -0.05, 0.05))
    radius = uniform(rng, 0.84, 0.90)
    u, v = turned(n, centre, uniform(rng, -np.pi, np.pi))
    away = np.hypot(u, v) / np.float32(radius)
    around = np.arctan2(v, u)

    canvas = filled(n, tinted(rng, (0.90, 0.90, 0.89), 0.02))
    x, y = axes(n)
    canvas += uniform(rng, -0.03, 0.03) * x + uniform(rng, -0.03, 0.03) * y + 0.006 * noise(rng, n, 5)
    canvas -= 0.30 * np.clip(1 - (away - 1) / 0.12, 0, 1) ** 2  # the shadow at its foot

    at = [distance for distance, _ in RINGS]
    ripple = away + 0.006 * noise(rng, n, 9)
    tint = tinted(rng, (0.95, 0.95, 0.95), 0.06)
    glass = np.stack(
        [np.interp(ripple, at, [colour[i] * tint[i] for _, colour in RINGS]).astype(np.float32) for i in range(3)]
    )
    glass *= 1 + 0.10 * np.cos(around * 2 + uniform(rng, 0, 6)) * inside(LIP[0] - away, 0.1)
    for ring, width, reach in ((0.49, 0.018, 0.5), (0.49, 0.018, 0.35), (0.70, 0.022, 0.4), (0.92, 0.02, 0.45)):
        turn = np.abs((around - uniform(rng, -np.pi, np.pi) + np.pi) % (2 * np.pi) - np.pi)
        blend(glass, (1.0, 0.97, 0.92), uniform(rng, 0.5, 0.85) * bump(away, ring, width) * bump(turn, 0, reach))
    blend(canvas, glass, inside((away - 1) * np.float32(radius)))
    return canvas, _damage(canvas, fault, n, defect, centre, radius)


def _damage(
    canvas: Array, rng: np.random.Generator, n: int, defect: str, centre: tuple[float, float], radius: float
) -> Array:
    where = uniform(rng, -np.pi, np.pi)
    if defect == "contamination":
        reach = uniform(rng, 0.0, 0.22) * radius
        spot = (centre[0] + reach * np.cos(where), centre[1] + reach * np.sin(where))
        cover = blob(rng, n, spot, uniform(rng, 0.08, 0.15), 0.35)
        for _ in range(5):
            speck = (spot[0] + uniform(rng, -0.2, 0.2), spot[1] + uniform(rng, -0.2, 0.2))
            cover = np.maximum(cover, blob(rng, n, speck, uniform(rng, 0.015, 0.035)))
        shade = np.clip(0.62 + 0.16 * noise(rng, n, 30), 0, 1)
        blend(canvas, shade * plain((1.0, 0.96, 0.86)), 0.9 * cover)
        return cover
    if defect not in ("broken_large", "broken_small"):
        return np.zeros((n, n), dtype=np.float32)
    span = uniform(rng, 0.42, 0.65) if defect == "broken_large" else uniform(rng, 0.2, 0.3)
    depth = (LIP[0] - 0.05, LIP[1] + 0.06) if defect == "broken_large" else (LIP[0], LIP[1] + 0.02)
    turns = np.linspace(where - span, where + span, 9)
    outer = [(t, depth[1] + uniform(rng, -0.05, 0.03)) for t in turns]
    inner = [(t, depth[0] + uniform(rng, -0.02, 0.06)) for t in turns[::-1]]
    chip = [(centre[0] + radius * r * np.cos(t), centre[1] + radius * r * np.sin(t)) for t, r in outer + inner]
    cover = polygon(n, chip)
    blend(canvas, (0.10, 0.07, 0.055), cover)
    for _ in range(7 if defect == "broken_large" else 3):  # the faces of the break catch the light
        first, second, third = rng.choice(len(chip), 3, replace=False)
        facet = polygon(n, [chip[first], chip[second], chip[third]]) * cover
        blend(canvas, (0.85, 0.74, 0.60), uniform(rng, 0.3, 0.8) * facet)
    if defect == "broken_large":
        start = (centre[0] + radius * depth[1] * np.cos(where), centre[1] + radius * depth[1] * np.sin(where))
        crack = stroke(n, walk(rng, start, where + uniform(rng, -0.8, 0.8), 0.3, 0.4), 0.02)
        blend(canvas, (0.75, 0.65, 0.55), 0.9 * crack)
        cover = np.maximum(cover, crack)
    return cover
