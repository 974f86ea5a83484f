"""The published data sets that are laid out in folders, each in its official form."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from harness import Archive, UsageError, list_images, unknown_name
from harness_datasets.files import Category
from harness_datasets.folders import OfficialLayout, is_folder

MVTEC_AD_COUNTS = {
    "bottle": (209, 20, 63),
    "cable": (224, 58, 92),
    "capsule": (219, 23, 109),
    "carpet": (280, 28, 89),
    "grid": (264, 21, 57),
    "hazelnut": (391, 40, 70),
    "leather": (245, 32, 92),
    "metal_nut": (220, 22, 93),
    "pill": (267, 26, 141),
    "screw": (320, 41, 119),
    "tile": (230, 33, 84),
    "toothbrush": (60, 12, 30),
    "transistor": (213, 60, 40),
    "wood": (247, 19, 60),
    "zipper": (240, 32, 119),
}
"""Training, good test and defective test images (Bergmann et al., CVPR 2019, Table 1)."""


class MvtecAd(OfficialLayout):
    """MVTec AD: five textures and ten objects, with masks."""

    name = "mvtec_ad"
    licence = "CC-BY-NC-SA-4.0"
    source = "Bergmann, Fauser, Sattlegger and Steger, CVPR 2019, doi:10.1109/CVPR.2019.00982"
    homepage = "https://www.mvtec.com/company/research/datasets/mvtec-ad"
    layout = "<category>/train/good/000.png, test/<defect>/000.png, ground_truth/<defect>/000_mask.png"
    official = tuple(MVTEC_AD_COUNTS)

    def _category(self, name: str, folder: Path) -> Category:
        category = super()._category(name, folder)
        good = sum(item.defect == "good" for item in category.test)
        here = (len(category.train), good, len(category.test) - good)
        kinds = ("training", "good test", "defective test")
        different = [
            f"{n} of {official} {kind} images"
            for n, official, kind in zip(here, MVTEC_AD_COUNTS[name], kinds, strict=True)
            if n != official
        ]
        return dataclasses.replace(category, incomplete=f"{name} has {', '.join(different)}" if different else "")


class MvtecAd2(OfficialLayout):
    """MVTec AD 2 with its public test images.

    The private ones have no published labels: `harness submit-maps` writes what the benchmark's server judges of them.
    Limits are set on the normal images of `validation`.
    """

    name = "mvtec_ad_2"
    licence = "CC-BY-NC-SA-4.0"
    source = "Heckler-Kram, Neudeck, Scheler, König and Steger, arXiv:2503.21622"
    homepage = "https://www.mvtec.com/company/research/datasets/mvtec-ad-2"
    layout = (
        "<category>/train/good/000_regular.png, test_public/good and bad/000_regular.png, "
        "test_public/ground_truth/bad/000_regular_mask.png"
    )
    official = ("can", "fabric", "fruit_jelly", "rice", "sheet_metal", "vial", "wallplugs", "walnuts")
    test = "test_public"
    calibration = "validation/good"
    truth = "test_public/ground_truth"
    private = ("test_private", "test_private_mixed")
    """Folders of test images in the light of the training images, and in any light."""

    def unlabelled(self, category: str) -> dict[str, Sequence[Path]]:
        """The images of both private folders, as far as they are there. Raises UsageError, DataError."""
        folders = self._folders()
        if category not in folders:
            raise UsageError(unknown_name("category", category, folders))
        there = [name for name in self.private if is_folder(folders[category] / name)]
        return {name: list_images(folders[category] / name).images for name in there}


class Btad(OfficialLayout):
    """BeanTech AD: three products, with masks."""

    name = "btad"
    licence = "CC-BY-SA-4.0"
    source = "Mishra, Verk, Fornasier, Piciarelli and Foresti, ISIE 2021, doi:10.1109/ISIE45552.2021.9576231"
    homepage = "https://github.com/pankajmishra000/VT-ADL"
    archive = Archive(
        "https://avires.dimi.uniud.it/papers/btad/btad.zip",
        "461c9387e515bfed41ecaae07c50cf6b10def647b36c9e31d239ab2736b10d2a",
    )
    layout = "<01, 02 or 03>/train/ok/0000.bmp, test/ok and ko/0000.bmp, ground_truth/ko/0000.png"
    official = ("01", "02", "03")
    train = "train/ok"
    good = "ok"


class Mpdd(OfficialLayout):
    """MPDD: six metal parts, with masks; the parts lie in changing places and light."""

    name = "mpdd"
    licence = "NOASSERTION"
    source = "Jezek, Jonak, Burget, Dvorak and Skotak, ICUMT 2021, doi:10.1109/ICUMT54235.2021.9631567"
    homepage = "https://github.com/stepanje/MPDD"
    layout = "<category>/train/good/000.png, test/<defect>/000.png, ground_truth/<defect>/000_mask.png"
    official = ("bracket_black", "bracket_brown", "bracket_white", "connector", "metal_plate", "tubes")
