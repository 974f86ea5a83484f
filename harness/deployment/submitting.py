"""Maps of test images without public labels, in the files and folders that MVTec's benchmark server accepts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from harness.api import FloatArray, Threshold
from harness.deployment.detector import Detector
from harness.deployment.float_tiff import write_float16
from harness.errors import UnavailableError, UsageError
from harness.files import adding_to
from harness.images.decoding import form_of, strict_pillow
from harness.trials.trial import UNUSED

MAPS, THRESHOLDED = "anomaly_images", "anomaly_images_thresholded"
"""The folders of a submission. Below them are category, test folder and image name, as in the data set.

As described by the data set's own utilities (https://www.mvtec.com/company/research/datasets/mvtec-ad-2).
"""
LIMIT_OF = "max"
"""The pool whose limit is a limit for pixels, too: an image is above it if any of its pixels is."""


def by_pixel(detector: Detector, threshold: Threshold) -> Detector:
    """The same model with a limit for pixels. Raises UsageError, and UnavailableError for a model without maps."""
    trial = detector.saved.trial
    if detector.pool == UNUSED:
        raise UnavailableError(f"model {trial.model!r} has no maps: there is nothing to submit of it")
    return detector.judging(threshold, LIMIT_OF)


def write_maps(detector: Detector, files: Mapping[str, Sequence[Path]], out: Path) -> Iterator[tuple[str, int]]:
    """Write the maps of a category's images, folder by folder; yields each folder's name and number of images.

    A map is as large as its image file. Its unit is the limit: pixels above 1 are white in the thresholded image.
    Raises DataError, ModelError, TrainingError, UsageError.
    """
    category = detector.saved.trial.category
    for folder, images in files.items():
        places = [out / kind / category / folder for kind in (MAPS, THRESHOLDED)]
        try:
            for place in places:
                place.mkdir(parents=True, exist_ok=True)
            for image in images:
                values = map_of(detector, image)
                with adding_to(places[0]) as draft:
                    write_float16(draft / f"{image.stem}.tiff", values)
                with adding_to(places[1]) as draft:
                    white = Image.fromarray(np.where(values > 1, 255, 0).astype(np.uint8))
                    white.save(draft / f"{image.stem}.png")
        except OSError as error:
            raise UsageError(f"--out {str(out)!r} cannot be written: {error.strerror or error}") from error
        yield folder, len(images)


def map_of(detector: Detector, image: Path) -> FloatArray:
    """(H, W) as in the file: the error at each pixel, as a multiple of the limit."""
    with strict_pillow():
        pixels = detector.read(image)
        width, height, _ = form_of(image)
    maps = detector.decide(pixels[None], (image.name,)).maps
    assert maps is not None
    unit = detector.limit if detector.limit > 0 else 1.0
    found = Image.fromarray(np.asarray(maps[0], np.float32) / np.float32(unit))
    if found.size != (width, height):
        found = found.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(found)
