"""MVTec LOCO AD, whose masks come with the area that must be found of each defect."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from harness import DataError, Region, path_text, read_image, read_mask, strict_pillow
from harness_datasets.files import Item
from harness_datasets.folders import OfficialLayout


class MvtecLoco(OfficialLayout):
    """MVTec LOCO AD: logical and structural anomalies, the masks of an image merged.

    Limits are set on the normal images of `validation`.
    """

    name = "mvtec_loco"
    licence = "CC-BY-NC-SA-4.0"
    source = "Bergmann, Batzner, Fauser, Sattlegger and Steger, IJCV 2022, doi:10.1007/s11263-022-01578-9"
    homepage = "https://www.mvtec.com/company/research/datasets/mvtec-loco"
    layout = (
        "<category>/train/good/000.png, test/good, logical_anomalies and structural_anomalies/000.png, "
        "ground_truth/<kind>/000/000.png"
    )
    official = ("breakfast_box", "juice_bottle", "pushpins", "screw_bag", "splicing_connectors")
    calibration = "validation/good"

    def regions(self, category: str, image_size: int) -> list[list[Region]]:
        """Each mask file is one defect; `defects_config.json` says by its grey value how much of it must be found.

        An area stated in pixels shrinks as the image does. Raises DataError.
        """
        folder = self._folders()[category]
        areas = saturations(folder / "defects_config.json")
        return [
            [_region(file, item, areas, image_size) for file in item.masks]
            for item in self._category(category, folder).test
        ]


class Saturation(NamedTuple):
    """How much of a defect must be found for it to count as found in full."""

    threshold: float
    """A share of its area, or an area in pixels of the file."""
    relative: bool

    def of(self, area: float) -> float:
        """The share of a defect of this area (pixels of the file), above 0 and at most 1."""
        return min(self.threshold if self.relative else self.threshold / area, 1.0)


def saturations(file: Path) -> dict[int, Saturation]:
    """By the grey value of the mask: what MVTec LOCO's `defects_config.json` states. Raises DataError."""
    wanted = "expected a list of objects with pixel_value, saturation_threshold (above 0) and relative_saturation"
    try:
        stated = json.loads(file.read_bytes())
        found = {
            int(one["pixel_value"]): Saturation(float(one["saturation_threshold"]), bool(one["relative_saturation"]))
            for one in stated
        }
    except OSError as error:
        raise DataError(f"{path_text(file)} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path_text(file)} is not MVTec LOCO's: {wanted}") from error
    if not all(one.threshold > 0 for one in found.values()):
        raise DataError(f"{path_text(file)} states a threshold that is not above 0: {wanted}")
    return found


def _region(file: Path, item: Item, areas: Mapping[int, Saturation], image_size: int) -> Region:
    with strict_pillow(), Image.open(file) as mask:
        value, area = int(np.asarray(mask).max()), int(np.count_nonzero(np.asarray(mask)))
    if value not in areas:
        known = ", ".join(map(str, sorted(areas))) or "none"
        said = f"defects_config.json says nothing of it, but of {known}"
        raise DataError(f"mask {path_text(file)} has the grey value {value}: {said}")
    pixels = read_mask([file], image_size, item.image, read_image(item.image, image_size)).pixels != 0
    return Region(pixels, areas[value].of(area) * int(pixels.sum()))
