"""What the drawings have in common: coordinates, noise, soft shapes and strokes, the same at any size.

A canvas is (3, n, n) float32, colour first, so that numpy works along rows; x runs from -1 to 1 to the right and y
downwards. Random numbers are drawn in amounts that do not depend on n, so that a seed describes one object, whatever
the size of its picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from harness import FloatArray

Array = FloatArray
"""float32 throughout, for speed."""
Point = tuple[float, float]
Colour = tuple[float, float, float]
"""Red, green and blue, 0 to 1."""


def axes(n: int) -> tuple[Array, Array]:
    """Coordinates x as (1, n) and y as (n, 1), at pixel centres."""
    centres = ((np.arange(n, dtype=np.float32) + 0.5) * (2 / n) - 1).astype(np.float32)
    return centres[None, :], centres[:, None]


def turned(n: int, centre: Point, angle: float) -> tuple[Array, Array]:
    """(n, n) coordinates u and v of a frame at `centre` whose u axis is turned by `angle` (radians, clockwise)."""
    x, y = axes(n)
    x, y = x - np.float32(centre[0]), y - np.float32(centre[1])
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return c * x + s * y, c * y - s * x


def placed(points: Sequence[Point], centre: Point, angle: float) -> list[Point]:
    """Points of a turned frame in canvas coordinates."""
    c, s = np.cos(angle), np.sin(angle)
    return [(centre[0] + c * u - s * v, centre[1] + s * u + c * v) for u, v in points]


def noise(rng: np.random.Generator, n: int, cells: int) -> Array:
    """Smooth noise of mean 0, about `cells` bumps across."""
    lattice = Image.fromarray(rng.standard_normal((cells, cells), dtype=np.float32))
    return np.asarray(lattice.resize((n, n), Image.Resampling.BICUBIC))


def fractal(rng: np.random.Generator, n: int, cells: int, octaves: int) -> Array:
    """Noise with finer and weaker detail in each octave."""
    total = noise(rng, n, cells)
    for octave in range(1, octaves):
        total = total + noise(rng, n, cells << octave) * np.float32(0.5**octave)
    return total


def inside(distance: Array, softness: float = 0.0) -> Array:
    """1 where a signed distance is negative and 0 where it is positive, over one pixel or over `softness`."""
    width = max(softness, 2 / distance.shape[0])
    covered: Array = np.clip(0.5 - distance / np.float32(width), 0, 1)
    return covered


def bump(values: Array, centre: float, width: float) -> Array:
    """A Gaussian hill of height 1."""
    hill: Array = np.exp(-(((values - np.float32(centre)) / np.float32(width)) ** 2))
    return hill


def plain(colour: Colour) -> Array:
    """A colour as (3, 1, 1), to be multiplied with (n, n)."""
    return np.asarray(colour, dtype=np.float32)[:, None, None]


def filled(n: int, colour: Colour) -> Array:
    """A canvas of one colour."""
    return np.tile(plain(colour), (1, n, n))


def blend(canvas: Array, colour: Colour | Array, cover: Array) -> None:
    """Lay a colour, or (3, n, n) of them, over a canvas, in place, as strongly as `cover`, (n, n), says."""
    canvas += cover * ((plain(colour) if isinstance(colour, tuple) else colour) - canvas)


def stroke(n: int, points: Sequence[Point], width: float) -> Array:
    """A polyline with round joints."""
    image = Image.new("L", (n, n))
    pixels = [((x + 1) * n / 2, (y + 1) * n / 2) for x, y in points]
    thick = max(1, round(width * n / 2))
    draw = ImageDraw.Draw(image)
    draw.line(pixels, fill=255, width=thick, joint="curve")
    return np.asarray(image, dtype=np.float32) / 255


def polygon(n: int, points: Sequence[Point]) -> Array:
    """A filled polygon."""
    image = Image.new("L", (n, n))
    ImageDraw.Draw(image).polygon([((x + 1) * n / 2, (y + 1) * n / 2) for x, y in points], fill=255)
    return np.asarray(image, dtype=np.float32) / 255


def walk(rng: np.random.Generator, start: Point, angle: float, length: float, wander: float) -> list[Point]:
    """A jagged path of 12 steps that keeps its main direction."""
    points = [start]
    for turn in rng.normal(angle, wander, 12):
        x, y = points[-1]
        points.append((x + np.cos(turn) * length / 12, y + np.sin(turn) * length / 12))
    return points


def blob(rng: np.random.Generator, n: int, centre: Point, radius: float, ragged: float = 0.25) -> Array:
    """A roundish spot with an uneven outline."""
    x, y = turned(n, centre, 0.0)
    around = np.arctan2(y, x)
    outline = np.full_like(around, 1.0)
    for waves, size, phase in zip((2, 3, 5, 8), rng.normal(0, ragged, 4), rng.uniform(0, 2 * np.pi, 4), strict=True):
        outline += np.float32(size / np.sqrt(waves)) * np.cos(np.float32(waves) * around + np.float32(phase))
    return inside(np.hypot(x, y) - np.float32(radius) * np.maximum(outline, 0.35))


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A random number between two others."""
    return float(rng.uniform(low, high))


def tinted(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    """A colour near another, lighter or darker and a little off in hue."""
    light = rng.normal(1, spread)
    red, green, blue = (float(np.clip(c * light * rng.normal(1, spread / 6), 0, 1)) for c in colour)
    return red, green, blue
