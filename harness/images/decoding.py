"""An image file as RGB bytes of one size, with what its file says of it; what cannot be read is refused by name."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from harness.errors import DataError, HarnessError, UsageError
from harness.images.framing import STRETCH, content_size
from harness.images.heic import formats_of

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM")
"""What Pillow may try, whatever the file is called; its rarer readers (EPS, PDF, FITS) stay shut to strange files."""

MOST_MEGAPIXELS = "HARNESS_MAX_MEGAPIXELS"
"""The environment variable that raises the limit on an image's size, in millions of pixels."""
_USUAL_MEGAPIXELS = 89
"""Where nothing else is asked for; it is Pillow's own limit."""
_MOST_BYTES = 16
"""Bytes that a pixel may take in a file: a larger file holds something else, and is not read to find out what."""
_LARGE = 1 << 24
_DENSEST = 10_000
"""Pixels that a byte of a large image's file may stand for; a PNG comes to 8256 at one bit and of one colour.

Decoding takes time and memory by the pixel, which the file's header is free to claim.
"""

RESAMPLING = Image.Resampling.BILINEAR
"""Pillow widens the filter when it reduces, so that fine texture is averaged and does not alias into false structure.

It is what torchvision and timm do with `antialias=True`, so that pretrained encoders see what they were trained on.
"""


# What Pillow logs of a damaged file would else go to stderr, beside the one line that an error becomes.
logging.getLogger("PIL").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class FileFacts:
    """What a file says of its image beside the pixels. Where normal and defective images differ in it, it is a clue."""

    width: int
    """Of the file's own image, the way up that a person sees it."""
    height: int
    mode: str
    """How the file holds its pixels, as Pillow calls it: RGB, L, I;16, P and so on."""
    file_bytes: int = 0
    depth: int = 8
    """Bits that the largest value of a 16-bit grey image needs; 8 for every other one."""
    frames: int = 1
    """Pages or frames in the file, of which the first is read."""
    all_transparent: bool = False
    """Whether every pixel is fully transparent; its colours are then read as if it were not."""
    compression: str = ""
    """8 digits that stand for a JPEG's quantisation tables; empty for other files."""
    camera: str = ""
    """Maker and model, from EXIF."""
    taken_at: str = ""
    """When, from EXIF, as the camera wrote it."""
    orientation: int = 1
    """How the file holds its image, from EXIF: 1 is upright, and from 5 on width and height are exchanged."""


@dataclass(frozen=True)
class Decoded:
    """An image or mask, with what is known of the file it came from."""

    pixels: NDArray[np.uint8]
    """(h, w, 3): (size, size, 3) unless it was read without distortion."""
    facts: FileFacts
    digest: str
    """SHA-256 of the file's bytes."""

    @property
    def width(self) -> int:
        """In pixels, as in FileFacts."""
        return self.facts.width

    @property
    def height(self) -> int:
        """In pixels, as in FileFacts."""
        return self.facts.height

    @property
    def mode(self) -> str:
        """As in FileFacts."""
        return self.facts.mode


def path_text(path: Path | str) -> str:
    """A path as text that can be printed and stored; one that is not UTF-8 is taken for Latin-1."""
    raw = os.fsencode(path)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


@contextmanager
def strict_pillow() -> Iterator[None]:
    """Turn Pillow's warning of a decompression bomb into an error, and silence those about odd metadata.

    Warning filters and Pillow's limit belong to the process: enter it once around threads that decode, not within each.
    """
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.MAX_IMAGE_PIXELS = most_pixels()[0]
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def most_pixels() -> tuple[int, bool]:
    """How many pixels an image may have, and whether a person has set that. Raises UsageError for an odd setting."""
    asked = os.environ.get(MOST_MEGAPIXELS, "")
    if not asked:
        return _USUAL_MEGAPIXELS * 1_000_000, False
    if not asked.isdecimal() or not 0 < int(asked) <= 100_000:
        raise UsageError(f"{MOST_MEGAPIXELS} is {asked!r}: expected millions of pixels, such as 200")
    return int(asked) * 1_000_000, True


def read_image(path: Path, size: int, depth: int = 16, resize: str = STRETCH) -> Decoded:
    """The first frame, turned upright, as RGB of (size, size, 3).

    With `resize` pad its longer side is `size`, with tiles it keeps its own size; nothing is padded here. Of 16-bit
    grey images, `depth` bits are in use, of which the highest 8 are taken; larger values become white. What is
    transparent shows black, unless everything is. Raises DataError.
    """
    with opened(path) as (image, file):
        facts = _facts(image, file)
        rgb = as_rgb(image, depth, ignore_alpha=facts.all_transparent)
        height, width = content_size(image.width, image.height, size, resize)
        pixels = np.asarray(rgb.resize((width, height), RESAMPLING))
        return Decoded(pixels, facts, file.digest)


def grey_depth(path: Path) -> int | None:
    """Bits that the largest value of a 16-bit grey image needs, from 1 to 16; None for other images. Raises DataError.

    Other images are not decoded for it.
    """
    with opened(path, digested=False) as (image, _):
        return _depth(image) if _is_deep(image) else None


def form_of(path: Path) -> tuple[int, int, str]:
    """Width, height and mode of an image file, as Decoded has them, mostly without decoding it. Raises DataError."""
    with opened(path, digested=False) as (image, _):
        return image.width, image.height, image.mode


class _File(NamedTuple):
    digest: str
    """Empty where it was not asked for."""
    size: int
    """In bytes."""
    orientation: int = 1
    """As in FileFacts."""


@contextmanager
def opened(path: Path, *, digested: bool = True) -> Iterator[tuple[Image.Image, _File]]:
    """The first frame of a file, upright, with digest and size; every fault in here or in the body that decodes it
    becomes a DataError with the file's name.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if size == 0:
                raise DataError(f"{path_text(path)} is empty (0 bytes): expected an image")
            if size > (most := _MOST_BYTES * most_pixels()[0]):
                raise DataError(
                    f"{path_text(path)} is too large: it has {size / 1e9:.1f} GB, expected at most {most / 1e9:.1f} "
                    f"GB. To read it all the same, set {MOST_MEGAPIXELS} to as many millions of pixels as it has"
                )
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest() if digested else ""
            file.seek(0)
            with Image.open(file, formats=(*FORMATS, *formats_of(path))) as image:
                _refuse_bomb(path, image, size)
                orientation = image.getexif().get(_ORIENTATION, 1)
                ImageOps.exif_transpose(image, in_place=True)
                yield image, _File(digest, size, orientation if orientation in range(1, 9) else 1)
    except HarnessError:
        raise
    except UnidentifiedImageError:
        raise DataError(f"{path_text(path)} is not an image: expected PNG, JPEG, BMP, TIFF, WebP, GIF or PNM") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = most_pixels()[0] // 1_000_000
        raise DataError(
            f"{path_text(path)} is too large: expected at most {limit} million pixels. {error} "
            f"To read it all the same, set {MOST_MEGAPIXELS} to as many millions of pixels as it has"
        ) from error
    except OSError as error:
        raise DataError(f"{path_text(path)} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a damaged or hostile file makes Pillow raise a dozen kinds of error
        raise DataError(f"{path_text(path)} cannot be decoded: {str(error) or type(error).__name__}") from error


def _refuse_bomb(path: Path, image: Image.Image, size: int) -> None:
    """Raise DataError for a file whose header claims far more pixels than its bytes can hold."""
    pixels = image.width * image.height
    if pixels > max(_LARGE, _DENSEST * size) and not most_pixels()[1]:
        raise DataError(
            f"{path_text(path)} claims {image.width}x{image.height} pixels in {size} bytes: expected an image, not a "
            f"decompression bomb. If it is an image, set {MOST_MEGAPIXELS}={math.ceil(pixels / 1_000_000)} to read it"
        )


def _facts(image: Image.Image, file: _File) -> FileFacts:
    """What a file says of its image. The pixels are decoded only where a fact needs them."""
    tables = getattr(image, "quantization", None) if image.format in ("JPEG", "MPO") else None
    exif = image.getexif()
    camera = " ".join(str(exif[tag]).strip("\0 ") for tag in (_MAKE, _MODEL) if tag in exif)
    taken = exif.get_ifd(_EXIF).get(_TAKEN) or exif.get(_CHANGED) or ""
    return FileFacts(
        width=image.width,
        height=image.height,
        mode=image.mode,
        file_bytes=file.size,
        depth=_depth(image) if _is_deep(image) else 8,
        frames=getattr(image, "n_frames", 1) if getattr(image, "is_animated", False) else 1,
        all_transparent=_all_transparent(image),
        compression=hashlib.sha256(repr(tables).encode()).hexdigest()[:8] if tables else "",
        camera=camera[:100],
        taken_at=str(taken)[:40],
        orientation=file.orientation,
    )


_ORIENTATION = 0x0112
_MAKE, _MODEL, _EXIF, _TAKEN, _CHANGED = 0x010F, 0x0110, 0x8769, 0x9003, 0x0132


def _all_transparent(image: Image.Image) -> bool:
    return "A" in image.getbands() and image.getchannel("A").getextrema()[1] == 0


def _is_deep(image: Image.Image) -> bool:
    """Whether it is grey with 16 bits a pixel, as far as the file tells."""
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))


def _depth(image: Image.Image) -> int:
    return max(1, int(np.asarray(image).max(initial=0)).bit_length())


def as_rgb(image: Image.Image, depth: int = 16, *, ignore_alpha: bool = False) -> Image.Image:
    """Any mode as 8-bit RGB. Raises ValueError for 32-bit pixels, whose range the file does not tell."""
    image = _eight_bit(image, depth)
    if image.has_transparency_data and not ignore_alpha:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image).convert("RGB")
    return image.convert("RGB")


def _eight_bit(image: Image.Image, depth: int) -> Image.Image:
    if _is_deep(image):  # Pillow's own conversion clips at 255; the high byte is what it takes of 16-bit colour
        values = np.asarray(image)
        eight = values >> (depth - 8) if depth >= 8 else values << (8 - depth)
        return Image.fromarray(np.minimum(eight, 255).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"32-bit pixels (mode {image.mode}), expected 8 or 16 bits a channel")
    return image
