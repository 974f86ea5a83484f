"""A white oval pill with reddish specks and an imprint, on a dark ground."""

from __future__ import annotations

import numpy as np

from harness_datasets.synthetic.canvas import (
    Array,
    Colour,
    Point,
    blend,
    blob,
    filled,
    fractal,
    inside,
    noise,
    placed,
    plain,
    polygon,
    stroke,
    tinted,
    turned,
    uniform,
    walk,
)

DEFECTS = ("color", "contamination", "crack", "faulty_imprint", "scratch")

IMPRINT: tuple[tuple[Point, ...], ...] = (
    ((-0.24, 0.17), (-0.24, -0.17), (-0.06, -0.17)),
    ((-0.24, -0.01), (-0.10, -0.01)),
    ((0.08, 0.17), (0.08, -0.17), (0.26, -0.17)),
    ((0.08, -0.01), (0.22, -0.01)),
)
"""Two letters F, as strokes in the pill's own frame."""
PAINTS: tuple[Colour, ...] = ((0.85, 0.55, 0.12), (0.70, 0.16, 0.14), (0.30, 0.42, 0.62), (0.45, 0.36, 0.20))


def draw(rng: np.random.Generator, n: int, defect: str, fault: np.random.Generator) -> tuple[Array, Array]:
    """The picture, (3, n, n) in 0 to 1, and how far each pixel belongs to the defect, (n, n)."""
    centre = (uniform(rng, -0.05, 0.05), uniform(rng, -0.05, 0.05))
    angle, length, width = uniform(rng, -0.14, 0.14), uniform(rng, 0.74, 0.79), uniform(rng, 0.48, 0.52)
    u, v = turned(n, centre, angle)
    within = ((np.abs(u) / length) ** 2.4 + (np.abs(v) / width) ** 2.4) ** np.float32(1 / 2.4)
    body = inside((within - 1) * np.float32(width))

    canvas = filled(n, tinted(rng, (0.11, 0.105, 0.10), 0.06))
    canvas += 0.008 * noise(rng, n, 20)

    albedo = filled(n, tinted(rng, (0.93, 0.90, 0.85), 0.02))
    albedo *= 1 + 0.012 * fractal(rng, n, 20, 3)
    blend(albedo, (0.72, 0.30, 0.24), 0.75 * np.clip((noise(rng, n, 64) - 1.75) * 3, 0, 1))
    blend(albedo, (0.62, 0.46, 0.40), 0.5 * np.clip((noise(rng, n, 90) - 1.9) * 3, 0, 1))
    _print(albedo, n, centre, angle, 0.55)
    cover = _damage(albedo, fault, n, defect, centre, angle, length, width) * body

    edge = np.clip((within - 0.72) / 0.28, 0, 1) ** 2
    slope = (u / length * -0.55 + v / width * -0.85) * edge  # the rim falls away from a light at the upper left
    shade = 0.93 + 0.22 * slope - 0.28 * edge**2 + uniform(rng, -0.03, 0.03) * u
    blend(canvas, albedo * shade, body)
    return canvas, cover


def _print(albedo: Array, n: int, centre: Point, angle: float, strength: float) -> Array:
    """Press the imprint: a dark groove with a lit lower edge; returns the cover."""
    cover = np.zeros((n, n), dtype=np.float32)
    lit = np.zeros((n, n), dtype=np.float32)
    for line in IMPRINT:
        cover = np.maximum(cover, stroke(n, placed(line, centre, angle), 0.055))
        lit = np.maximum(lit, stroke(n, placed([(u + 0.015, v + 0.015) for u, v in line], centre, angle), 0.055))
    blend(albedo, (1.0, 0.98, 0.95), strength * lit)
    blend(albedo, (0.58, 0.54, 0.50), strength * 1.3 * cover)
    return np.maximum(cover, lit)


def _damage(
    albedo: Array,
    rng: np.random.Generator,
    n: int,
    defect: str,
    centre: Point,
    angle: float,
    length: float,
    width: float,
) -> Array:
    spot = placed([(uniform(rng, -0.6, 0.6) * length, uniform(rng, -0.6, 0.6) * width)], centre, angle)[0]
    lie = uniform(rng, 0, np.pi)
    if defect == "color":
        cover = blob(rng, n, spot, uniform(rng, 0.10, 0.18), 0.3)
        blend(albedo, PAINTS[int(rng.integers(len(PAINTS)))], 0.7 * cover)
        return cover
    if defect == "contamination":
        path = walk(rng, spot, lie, uniform(rng, 0.3, 0.5), 0.5)
        cover = stroke(n, path, 0.022)
        for _ in range(4):
            speck = (spot[0] + uniform(rng, -0.2, 0.2), spot[1] + uniform(rng, -0.15, 0.15))
            cover = np.maximum(cover, blob(rng, n, speck, uniform(rng, 0.018, 0.04)))
        blend(albedo, (0.16, 0.13, 0.12), 0.9 * cover)
        return cover
    if defect == "crack":
        side, at = (-1 if rng.random() < 0.5 else 1), uniform(rng, -0.6, 0.6) * length
        rim = side * width * (1 - (abs(at) / length) ** 2.4) ** (1 / 2.4)
        deep, wide = uniform(rng, 0.14, 0.24), uniform(rng, 0.10, 0.18)
        jag = [(at + t * wide, rim - side * deep * (1 - abs(t)) * uniform(rng, 0.7, 1.2)) for t in (-0.5, 0.0, 0.5)]
        chip = [(at - wide, rim + side * 0.1), *jag, (at + wide, rim + side * 0.1)]
        cover = polygon(n, placed(chip, centre, angle))
        blend(albedo, np.clip(0.42 + 0.10 * noise(rng, n, 40), 0, 1) * plain((1.0, 1.0, 1.0)), cover)
        crack = stroke(n, walk(rng, placed([jag[1]], centre, angle)[0], angle - side * 1.4, 0.25, 0.5), 0.022)
        blend(albedo, (0.35, 0.30, 0.27), crack)
        return np.maximum(cover, crack)
    if defect == "faulty_imprint":
        shift = (centre[0] + uniform(rng, 0.05, 0.09), centre[1] + uniform(rng, -0.12, 0.12))
        return _print(albedo, n, shift, angle + uniform(rng, 0.15, 0.45), 0.6)
    if defect == "scratch":
        cover = np.zeros((n, n), dtype=np.float32)
        for _ in range(3):
            start = (spot[0] + uniform(rng, -0.08, 0.08), spot[1] + uniform(rng, -0.08, 0.08))
            cover = np.maximum(cover, stroke(n, walk(rng, start, lie, uniform(rng, 0.35, 0.6), 0.12), 0.024))
        blend(albedo, (0.38, 0.34, 0.32), 0.9 * cover)
        return cover
    return np.zeros((n, n), dtype=np.float32)
