"""A steel screw that lies on a grey table, at any angle near the diagonal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness_datasets.synthetic.canvas import (
    Array,
    Point,
    axes,
    blend,
    bump,
    filled,
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

DEFECTS = ("manipulated_front", "scratch_head", "scratch_neck", "thread_side")

PROFILE = ((-0.86, 0.235), (-0.82, 0.255), (-0.60, 0.105), (-0.15, 0.095), (-0.12, 0.085), (0.62, 0.085), (0.86, 0.0))
"""Half the thickness along the axis: head, neck, core of the thread, tip."""
PITCH = 0.105


@dataclass(frozen=True)
class _Form:
    """What a fault can change in a screw's shape."""

    worn: Point | None = None
    """From where to where the thread is gone."""
    bent: float = 0.0
    """How far the tip is pushed aside."""


def draw(rng: np.random.Generator, n: int, defect: str, fault: np.random.Generator) -> tuple[Array, Array]:
    """The picture, (3, n, n) in 0 to 1, and how far each pixel belongs to the defect, (n, n)."""
    centre = (uniform(rng, -0.05, 0.05), uniform(rng, -0.05, 0.05))
    angle, scale, phase = uniform(rng, -1.0, -0.5), uniform(rng, 0.94, 1.02), uniform(rng, 0, PITCH)
    table = filled(n, tinted(rng, (0.72, 0.72, 0.73), 0.03))
    x, y = axes(n)
    table += 0.05 * (uniform(rng, -1, 1) * x + uniform(rng, -1, 1) * y) + 0.006 * noise(rng, n, 5)
    tone, grime = uniform(rng, 0.92, 1.08), 0.03 * noise(rng, n, 26)

    def shaped(form: _Form) -> Array:
        canvas = table.copy()
        u, v = turned(n, centre, angle)
        _lay(canvas, u / np.float32(scale), v / np.float32(scale), phase, tone, grime, form)
        return canvas

    form = _Form()
    if defect == "thread_side":
        start = uniform(fault, -0.08, 0.25)
        form = _Form(worn=(start, start + uniform(fault, 0.20, 0.30)))
    elif defect == "manipulated_front":
        form = _Form(bent=uniform(fault, 0.13, 0.20) * (1 if fault.random() < 0.5 else -1))
    canvas = shaped(form)
    if form != _Form():
        cover = (np.abs(canvas - shaped(_Form())).max(axis=0) > 0.03).astype(np.float32)
        return canvas, cover
    return canvas, _scratch(canvas, fault, n, defect, centre, angle)


def _lay(canvas: Array, u: Array, v: Array, phase: float, tone: float, grime: Array, form: _Form) -> None:
    """Draw the screw and its shadow, with u along its axis from head to tip."""
    v = v - np.float32(form.bent) * np.clip((u - 0.42) / 0.44, 0, 1) ** 2
    half = np.interp(u, [at for at, _ in PROFILE], [thickness for _, thickness in PROFILE]).astype(np.float32)
    threaded = inside(np.abs(u - 0.30) - 0.43, 0.04)
    if form.worn:
        middle, reach = sum(form.worn) / 2, (form.worn[1] - form.worn[0]) / 2
        threaded = threaded * (1 - inside(np.abs(u - np.float32(middle)) - np.float32(reach), 0.03))
    turn = (u + np.float32(phase) + 0.22 * v) / PITCH
    ridge = 1 - np.abs(2 * (turn % 1) - 1)  # 0 in the valley, 1 on the crest
    taper = np.clip((0.86 - u) / 0.24, 0, 1)
    outline = half + threaded * taper * 0.065 * ridge
    steel = inside(np.maximum(np.abs(v) - outline, np.abs(u) - 0.86))

    blend(
        canvas,
        (0.12, 0.12, 0.13),
        0.5 * inside(np.abs(v - 0.06) - outline - 0.02, 0.14) * inside(np.abs(u) - 0.86, 0.1),
    )
    across = v / np.maximum(outline, np.float32(0.02))
    gloss = 0.20 + 0.62 * bump(across, -0.35, 0.33) + 0.25 * bump(across, 0.55, 0.18)
    gloss *= 1 - 0.45 * threaded * bump(ridge, 0.0, 0.45) + 0.12 * threaded * ridge
    gloss *= 1 - 0.30 * bump(u, -0.60, 0.03)
    metal = np.clip((gloss + grime) * np.float32(tone), 0, 1) * plain((0.97, 0.98, 1.0))
    blend(canvas, metal, steel)


def _scratch(canvas: Array, rng: np.random.Generator, n: int, defect: str, centre: Point, angle: float) -> Array:
    cover = np.zeros((n, n), dtype=np.float32)
    if defect not in ("scratch_head", "scratch_neck"):
        return cover
    head = defect == "scratch_head"
    for _ in range(3):
        spot = (uniform(rng, -0.80, -0.72), uniform(rng, -0.10, 0.10)) if head else (uniform(rng, -0.52, -0.22), 0.0)
        lie = angle + uniform(rng, 0.9, 2.2)
        length = uniform(rng, 0.16, 0.26) if head else uniform(rng, 0.12, 0.16)
        x, y = placed([spot], centre, angle)[0]
        start = (x - np.cos(lie) * length / 2, y - np.sin(lie) * length / 2)
        line = stroke(n, walk(rng, start, lie, length, 0.25), 0.028)
        blend(canvas, (0.05, 0.045, 0.04) if rng.random() < 0.6 else (0.98, 0.95, 0.90), 0.9 * line)
        cover = np.maximum(cover, line)
    return cover
