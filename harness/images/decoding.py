"""An image file as RGB bytes of one size, and a mask file as zeros and ones; what cannot be read is refused by name."""

from __future__ import annotations

import hashlib
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from harness.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF")
"""What Pillow may try, whatever the file is called; its rarer readers (EPS, PDF, FITS) stay shut to strange files."""

_LARGE = 1 << 24
_DENSEST = 10_000
"""Pixels that a byte of a large image's file may stand for; a PNG comes to 8256 at one bit and of one colour.

Decoding takes time and memory by the pixel, which the file's header is free to claim.
"""

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
"""Of files in a folder that are taken for images, in any case."""

RESAMPLING = Image.Resampling.BILINEAR
"""Pillow widens the filter when it reduces, so that fine texture is averaged and does not alias into false structure.

It is what torchvision and timm do with `antialias=True`, so that pretrained encoders see what they were trained on.
"""


# What Pillow logs of a damaged file would else go to stderr, beside the one line that an error becomes.
logging.getLogger("PIL").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Decoded:
    """An image or mask, with what is known of the file it came from."""

    pixels: NDArray[np.uint8]
    """(size, size, 3) for an image, (size, size) for a mask."""
    width: int
    """Of the file's own image, the way up that a person sees it."""
    height: int
    mode: str
    """How the file holds its pixels, as Pillow calls it: RGB, L, I;16, P and so on."""
    digest: str
    """SHA-256 of the file's bytes."""


def shown(path: Path | str) -> str:
    """A path as text that can be printed and stored; one that is not UTF-8 is taken for Latin-1."""
    raw = os.fsencode(path)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


@contextmanager
def strict_pillow() -> Iterator[None]:
    """Turn Pillow's warning of a decompression bomb into an error, and silence those about odd metadata.

    Warning filters belong to the process: enter it once around threads that decode, not within each.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def read_image(path: Path, size: int) -> Decoded:
    """The first frame, turned upright, as RGB of (size, size, 3).

    16 bits become 8 by their high byte; what is transparent shows black. Raises DataError.
    """
    with _opened(path) as (image, digest):
        rgb = _rgb(image)
        return Decoded(np.asarray(rgb.resize((size, size), RESAMPLING)), *rgb.size, image.mode, digest)


def form_of(path: Path) -> tuple[int, int, str]:
    """Width, height and mode of an image file, as Decoded has them, mostly without decoding it. Raises DataError."""
    with _opened(path) as (image, _):
        return image.width, image.height, image.mode


def read_mask(paths: Sequence[Path], size: int, image_path: Path, image: Decoded) -> Decoded:
    """The union of the masks of one image as (size, size) of 0 and 1: any value but zero is 1, sampled by nearest.

    Raises DataError, also when a mask's size differs from its image's.
    """
    union: NDArray[np.bool_] = np.zeros((image.height, image.width), dtype=bool)
    digests = []
    for path in paths:
        with _opened(path) as (mask, digest):
            if mask.size != (image.width, image.height):
                raise DataError(
                    f"mask {shown(path)} is {mask.width}x{mask.height}, but its image {shown(image_path)} "
                    f"is {image.width}x{image.height}: expected equal sizes"
                )
            union |= _nonzero(mask)
            digests.append(digest)
    full = Image.fromarray(union.astype(np.uint8) * 255)
    pixels = np.asarray(full.resize((size, size), Image.Resampling.NEAREST)) != 0
    if union.any() and not pixels.any():  # a defect thinner than the sampling step must not lose its mask
        pixels = _cells_of(union, size)
    return Decoded(pixels.astype(np.uint8), image.width, image.height, "1", " ".join(digests))


def _cells_of(union: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """The cells of a (size, size) grid that hold at least one marked pixel."""
    cells = np.zeros((size, size), dtype=bool)
    rows, columns = np.nonzero(union)
    cells[rows * size // union.shape[0], columns * size // union.shape[1]] = True
    return cells


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Image.Image, str]]:
    """The first frame of a file, upright, and the digest of its bytes; every fault in here or in the body that decodes
    it becomes a DataError with the file's name.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
            if size == 0:
                raise DataError(f"{shown(path)} is empty (0 bytes): expected an image")
            file.seek(0)
            with Image.open(file, formats=FORMATS) as image:
                if image.width * image.height > max(_LARGE, _DENSEST * size):
                    raise DataError(
                        f"{shown(path)} claims {image.width}x{image.height} pixels in {size} bytes: expected an image, "
                        "not a decompression bomb"
                    )
                ImageOps.exif_transpose(image, in_place=True)
                yield image, digest
    except DataError:
        raise
    except UnidentifiedImageError:
        raise DataError(f"{shown(path)} is not an image: expected PNG, JPEG, BMP, TIFF, WebP or GIF") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{shown(path)} is too large: {error}") from error
    except OSError as error:
        raise DataError(f"{shown(path)} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a damaged or hostile file makes Pillow raise a dozen kinds of error
        raise DataError(f"{shown(path)} cannot be decoded: {error or type(error).__name__}") from error


def _rgb(image: Image.Image) -> Image.Image:
    """Any mode as 8-bit RGB. Raises ValueError for 32-bit pixels, whose range the file does not tell."""
    image = _eight_bit(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image).convert("RGB")
    return image.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    sixteen = image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG")
    if sixteen:  # Pillow's own conversion clips at 255; the high byte is what it takes of 16-bit colour
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"32-bit pixels (mode {image.mode}), expected 8 or 16 bits a channel")
    return image


def _nonzero(mask: Image.Image) -> NDArray[np.bool_]:
    if len(mask.getbands()) == 1 and mask.mode != "P":
        return np.asarray(np.asarray(mask) != 0)
    return np.asarray(np.asarray(_rgb(mask)).any(axis=2))
