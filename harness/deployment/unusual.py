"""What is unusual about an image, compared with those that the model was fitted on."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from harness.deployment.detector import Detector
from harness.errors import DataError
from harness.images.decoding import form_of, path_text
from harness.images.framing import PAD, TILES


class UnusualImages:
    """Notices the first image whose size or mode differs from most images that the model was fitted on."""

    def __init__(self, detector: Detector) -> None:
        saved = detector.saved
        self._usual = {"size": saved.sizes[:1], "mode": saved.modes[:1]}
        trial, side = saved.trial, saved.trial.image_size
        resized = {PAD: f"resized to at most {side} pixels a side", TILES: f"cut into tiles of {trial.tiles}"}
        self._handled = resized.get(trial.resize, f"resized to {side}x{side}")

    def remark(self, file: Path) -> str:
        """A sentence about a file; empty if it is as usual, or if one like it was named before."""
        if not any(self._usual.values()):
            return ""
        forms: dict[str, str] = {}
        with suppress(DataError):
            width, height, mode = form_of(file)
            forms = {"size": f"{width}x{height}", "mode": mode}
        odd = [kind for kind, form in forms.items() if self._usual[kind] and form != self._usual[kind][0]]
        if not odd:
            return ""
        here = " ".join(forms[kind] for kind in odd)
        usual = " ".join(self._usual[kind][0] for kind in odd)
        for kind in odd:
            self._usual[kind] = ()
        return (
            f"{path_text(file)} is {here}, most images of the data set that the model was fitted on are {usual}: "
            f"it is made RGB and {self._handled} as at the fit; others like it are not named"
        )
