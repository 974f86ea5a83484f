"""A hazelnut on a dark ground: striped shell, pale rough base, pointed tip, any way round."""

from __future__ import annotations

import numpy as np

from harness_datasets.synthetic.canvas import (
    Array,
    blend,
    blob,
    bump,
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

DEFECTS = ("crack", "cut", "hole", "print")


def draw(rng: np.random.Generator, n: int, defect: str, fault: np.random.Generator) -> tuple[Array, Array]:
    """The picture, (3, n, n) in 0 to 1, and how far each pixel belongs to the defect, (n, n)."""
    centre = (uniform(rng, -0.07, 0.07), uniform(rng, -0.07, 0.07))
    angle, radius = uniform(rng, -0.8, 0.8), uniform(rng, 0.62, 0.70)
    u, v = turned(n, centre, angle)
    away = np.hypot(u, v)
    around = np.abs(np.arctan2(u, -v))  # 0 at the tip, which points up in the nut's own frame
    outline = np.float32(radius) * (1 + 0.05 * np.cos(2 * around) + 0.13 * bump(around, 0, 0.28))
    body = inside(away - outline)

    canvas = filled(n, tinted(rng, (0.07, 0.07, 0.08), 0.08))
    canvas += 0.008 * noise(rng, n, 6)

    along = np.clip(v / outline, -1, 1)
    meridian = u / (outline * np.sqrt(1.05 - along**2))
    bands = rng.standard_normal(48)
    stripes = np.interp(meridian + 0.03 * noise(rng, n, 7), np.linspace(-1.2, 1.2, 48), bands).astype(np.float32)
    shell = 1 + 0.13 * stripes + 0.05 * fractal(rng, n, 24, 3)
    albedo = shell * plain(tinted(rng, (0.60, 0.36, 0.17), 0.07))
    base = inside(np.hypot(u, (v - 0.80 * radius) * 1.5) - 0.42 * radius - 0.03 * noise(rng, n, 14), 0.04)
    pale = (1 + 0.10 * fractal(rng, n, 32, 2)) * plain((0.66, 0.53, 0.38))
    blend(albedo, pale, base)
    blend(albedo, (0.72, 0.58, 0.40), 0.6 * inside(np.hypot(u, v + 1.08 * radius) - 0.11 * radius, 0.08))

    within = np.clip(away / outline, 0, 1)
    height = np.sqrt(1 - within**2)
    light = uniform(rng, -2.5, -2.1)  # from the upper left, whichever way the nut lies
    x, y = turned(n, centre, light)[0] / outline, height
    shade = 0.30 + 0.72 * np.clip(0.62 * x + 0.78 * y, 0, 1)
    shine = 0.22 * np.clip(0.36 * x + 0.93 * y, 0, 1) ** 24
    cover = _damage(albedo, fault, n, defect, centre, angle, radius) * body
    blend(canvas, albedo * shade + (shine * (1 - cover)), body)
    return canvas, cover


def _damage(
    albedo: Array, rng: np.random.Generator, n: int, defect: str, centre: tuple[float, float], angle: float, r: float
) -> Array:
    """Change the shell's own colour; returns the cover."""
    spot = placed([(uniform(rng, -0.45, 0.45) * r, uniform(rng, -0.5, 0.25) * r)], centre, angle)[0]
    lie = uniform(rng, 0, np.pi)
    if defect == "crack":
        length = uniform(rng, 0.9, 1.4) * r
        start = (spot[0] - np.cos(lie) * length / 2, spot[1] - np.sin(lie) * length / 2)
        path = walk(rng, start, lie, length, 0.55)
        wide, gap = stroke(n, path, 0.055), stroke(n, path, 0.033)
        blend(albedo, (0.78, 0.60, 0.38), 0.8 * wide)
        blend(albedo, (0.04, 0.02, 0.01), gap)
        return wide
    if defect == "cut":
        length, width = uniform(rng, 0.22, 0.36), uniform(rng, 0.05, 0.08)
        lens = [(-length, 0.0), (-length / 3, -width), (length / 2, -width * 0.8), (length, 0.0), (0.0, width * 0.7)]
        cover = polygon(n, placed(lens, spot, lie))
        flesh = (0.95 + 0.10 * noise(rng, n, 40)) * plain((1.0, 0.88, 0.66))
        blend(albedo, flesh, cover)
        return cover
    if defect == "hole":
        size = uniform(rng, 0.075, 0.12)
        rim, hole = blob(rng, n, spot, size * 1.35, 0.06), blob(rng, n, spot, size, 0.06)
        blend(albedo, (0.80, 0.62, 0.42), 0.75 * rim)
        blend(albedo, (0.03, 0.02, 0.01), hole)
        return np.maximum(rim, hole)
    if defect == "print":
        cover = np.zeros((n, n), dtype=np.float32)
        for offset in (-0.16, 0.0, 0.16):
            letter = [(offset + uniform(rng, -0.06, 0.06), y) for y in (-0.13, -0.04, 0.04, 0.13)]
            cover = np.maximum(cover, stroke(n, placed(letter, spot, lie), 0.05))
        blend(albedo, (0.92, 0.92, 0.90), 0.85 * cover)
        return cover
    return np.zeros((n, n), dtype=np.float32)
