"""What people call the folders of good parts, of bad ones and of masks, where no published layout says it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

GOOD_NAMES = (
    *("good", "ok", "okay", "normal", "pass", "passed", "nominal", "defect_free", "defect-free", "io", "0"),
    *("gut", "gute", "in ordnung", "i.o", "i.o.", "bon", "bons", "bonne", "bueno", "buenos", "buono", "buoni", "bom"),
    *("goed", "conforme", "良品"),
)
"""Folders of normal images, in lower case, as people call them in several languages."""

BAD_NAMES = (
    *("bad", "ng", "nok", "nio", "not_ok", "not ok", "defect", "defects", "defective", "faulty", "fault", "broken"),
    *("anomaly", "anomalies", "anomalous", "abnormal", "reject", "rejects", "rejected", "fail", "failed", "1"),
    *("not good", "scrap", "schlecht", "schlechte", "defekt", "defekte", "fehler", "fehlerhaft", "ausschuss"),
    *("nicht in ordnung", "nicht ok", "n.i.o", "n.i.o.", "mauvais", "défaut", "défauts", "malo", "malos", "defecto"),
    *("defectos", "difetto", "difetti", "difettoso", "scarto", "defeito", "defeitos", "slecht", "不良品"),
)
"""Folders of defective images, in lower case, as people call them in several languages."""

MASK_NAMES = ("ground_truth", "ground truth", "groundtruth", "masks", "mask", "gt", "labels")
"""Folders of masks, in lower case."""


_BESIDE = {"parts", "part", "photos", "photo", "images", "image", "pictures", "samples", "teile", "bilder", "fotos"}
"""Words that a name may have beside the one that says what the photos are."""


def means_good(name: str) -> bool:
    """Whether a folder of this name holds normal images: `Good`, `OK `, `good parts`, `gut (ok)`, `0`."""
    return _means(name, GOOD_NAMES, BAD_NAMES)


def means_bad(name: str) -> bool:
    """Whether a folder of this name holds defective images of any kind: `Bad`, `NG`, `bad photos`, `defects (ng)`."""
    return _means(name, BAD_NAMES, GOOD_NAMES)


def _means(name: str, wanted: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether a name is one of those wanted, or made of such words and those that may stand beside them."""
    called = unicodedata.normalize("NFC", name).strip().lower()  # macOS writes an accent apart from its letter
    if called in wanted or called in others:
        return called in wanted
    words = [word for word in re.split(r"[\W_]+", called) if word and word not in _BESIDE]
    return bool(words) and (" ".join(words) in wanted or all(len(w) > 1 and w in wanted for w in words))


def means_masks(name: str) -> bool:
    """Whether a folder of this name holds masks, which are no photos."""
    return name.strip().lower() in MASK_NAMES


def folder_called(name: str, among: Iterable[Path]) -> Path | None:
    """The folder of this name; else one that differs in case or blanks only; None where there is none."""
    near = None
    for folder in among:
        if folder.name == name:
            return folder
        if folder.name.strip().lower() == name.strip().lower():
            near = near or folder
    return near
