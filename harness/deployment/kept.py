"""A kept model as Python has it: found by its path, id or name, and asked about files and arrays."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.api import Dataset, Threshold
from harness.deployment import loading
from harness.deployment.detector import Detector
from harness.deployment.image_files import Found, ImageFiles
from harness.deployment.predicting import Prediction, Read, at_once, judge, read
from harness.errors import DataError, HarnessWarning, UsageError, unknown_name
from harness.images.decoding import RESAMPLING, strict_pillow
from harness.images.framing import content_size
from harness.plugin.in_process import broken, choose, register, registry_with
from harness.plugin.registry import Registry
from harness.trials import hardware
from harness.trials.models_folder import is_inside, models_of
from harness.trials.saved_model import find
from harness.trials.setting_kinds import path_of
from harness.trials.settings import SETTINGS


@dataclass(frozen=True)
class Judgement:
    """What a model makes of one image."""

    score: float | None
    """Higher is more anomalous; None where the image could not be judged."""
    limit: float
    """A score above it is called anomalous."""
    decision: str
    """One of normal, anomalous, unreadable."""
    map: NDArray[Any] | None = field(default=None, repr=False, compare=False)
    """(H, W), the error at each pixel of the image as the model sees it; None for a model that has none."""
    image: str = ""
    """The file, or which array it was."""
    problem: str = ""
    """Why it could not be judged."""
    p_value: float | None = None
    """The share of normal images, this one counted, that score as high: small for what is unlike them."""


@dataclass(frozen=True)
class LoadedModel:
    """A fitted model with its limit."""

    detector: Detector = field(repr=False)
    registry: Registry = field(repr=False)
    directory: Path

    @property
    def limit(self) -> float:
        """A score above it is called anomalous."""
        return self.detector.limit

    def judging(self, threshold: Any = None, pool: str | None = None) -> LoadedModel:
        """The same model deciding by another threshold or pool, from the scores that it holds. Raises UsageError."""
        asked = SETTINGS["thresholds"].read(self.detector.threshold if threshold is None else threshold, "threshold")
        register(self.registry, asked)
        (chosen,) = choose(self.registry, Threshold, asked)
        return LoadedModel(self.detector.judging(chosen, pool), self.registry, self.directory)

    def predict(self, image: Any) -> Any:
        """Judge an image: a file, an array (H, W, 3) or (H, W) of 0 to 255, or what Pillow opened.

        Of a folder, a list or an array (N, H, W, 3) it gives a list of judgements, in which what cannot be read is
        `unreadable`. Raises DataError where one image alone cannot be read, UsageError for what is no image.
        """
        if _is_path(image):
            place = Path(os.fsdecode(image))
            judged = self._judged(list(ImageFiles([place])))
            alone = not place.is_dir()
        elif isinstance(image, Image.Image) or (isinstance(image, np.ndarray) and image.ndim < 4):
            judged, alone = self._judged([self._read(image, "the image")]), True
        elif isinstance(image, Iterable):
            found = [self._read(one, f"image {index}") for index, one in enumerate(image)]
            judged, alone = self._judged(found), False
        else:
            raise UsageError(f"{image!r:.60} is no image: expected a path, an array, or a list of these")
        if not alone:
            return judged
        if judged[0].problem:
            raise DataError(judged[0].problem)
        return judged[0]

    def _judged(self, images: Sequence[Found | Read]) -> list[Judgement]:
        predictions: list[Prediction] = []
        with strict_pillow():
            most = at_once(self.detector)
            for start in range(0, len(images), most):
                some = images[start : start + most]
                batch = [read(self.detector, one) if isinstance(one, Found) else one for one in some]
                predictions += judge(self.detector.decide, batch)
        return [
            Judgement(one.score, self.limit, one.decision, one.map, str(one.file), one.problem, one.p_value)
            for one in predictions
        ]

    def _read(self, image: Any, name: str) -> Found | Read:
        """A file to read, or pixels as the model takes them, resized as files are. Raises UsageError."""
        if _is_path(image):
            path = Path(os.fsdecode(image))
            return Found(path, path)
        pixels = np.asarray(image.convert("RGB") if isinstance(image, Image.Image) else image)
        if pixels.ndim == 2:
            pixels = np.stack([pixels] * 3, axis=2)
        if pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size or pixels.dtype != np.uint8:
            raise UsageError(
                f"{name} is {pixels.dtype} of shape {pixels.shape}: expected numbers of 0 to 255 (uint8) of shape "
                "(H, W, 3) or (H, W)"
            )
        size, dataset = self.detector.saved.trial.image_size, self.detector.dataset
        height, width = content_size(pixels.shape[1], pixels.shape[0], size, self.detector.saved.trial.resize)
        if pixels.shape[:2] != (height, width):
            if type(dataset).read is not Dataset.read:
                raise UsageError(
                    f"{name} is {pixels.shape[1]}x{pixels.shape[0]}, and data set {dataset.name!r} reads files in a "
                    f"way of its own: give the path of a file, or pixels of {size}x{size}"
                )
            pixels = np.asarray(Image.fromarray(pixels).resize((width, height), RESAMPLING))
        return Read(Path(name), Path(name), pixels)


def load(
    model: str | os.PathLike[str],
    *,
    store: str | os.PathLike[str] = "runs",
    plugins: Any = (),
    device: str = "auto",
    weights_dir: str | os.PathLike[str] | None = None,
) -> LoadedModel:
    """A model that `keep_models` kept: its directory, or in a store its name or trial id, or the beginning of one.

    Warns of what to know before it is trusted. Raises UsageError, ModelError, UnavailableError.
    """
    registry = registry_with(SETTINGS["plugins"].read(plugins, "plugins"))
    directory = directory_of(str(path_of(model, "model")) if model != "" else "", path_of(store, "store"))
    weights = None if weights_dir is None else path_of(weights_dir, "weights_dir")
    loaded = loading.load(directory, registry, hardware.device(device), weights)
    for remark in (*broken(registry), *loaded.remarks):
        warnings.warn(remark, HarnessWarning, stacklevel=2)
    return LoadedModel(loaded, registry, directory)


def directory_of(model: str, store: Path) -> Path:
    """A model's directory from its path, or in a store from its name or its trial id, or the beginning of one.

    `runs/models/1143c4e8` names the one of that id in this folder of models. Raises UsageError, ModelError.
    """
    if model and Path(model).is_dir():
        return Path(model)
    kept, name = models_of(store), model
    if Path(model).name != model and Path(model).parent.is_dir():
        kept, name = Path(model).parent, Path(model).name
    names = sorted(child.name for child in kept.iterdir() if child.name[:1] != ".") if kept.is_dir() else []
    found = find(kept, name)
    meant = [found.name] if found else [one for one in names if one.startswith(name)]
    meant = meant or [one for one in names if name and one.rpartition("-")[2].startswith(name)]
    if len(meant) > 1:
        raise UsageError(f"{model!r} is the beginning of {len(meant)} models in {kept}: {', '.join(meant)}")
    if not meant:
        hint = f"`harness run --keep-models` keeps models in {kept}"
        raise UsageError(f"{unknown_name('model', model, names)} {hint}, or give the path of one")
    directory = kept / meant[0]
    if not is_inside(directory, kept):
        raise UsageError(f"model {str(directory)!r} is a link that leads out of its folder: give the path that it has")
    return directory


def _is_path(image: object) -> bool:
    return isinstance(image, str | os.PathLike)
