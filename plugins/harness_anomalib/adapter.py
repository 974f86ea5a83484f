"""One part for all of anomalib's models. anomalib, lightning and torch are imported when one is fitted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness import Encoder, Images, Loss, Model, Run, Scores, UnavailableError, UsageError, unknown_name
from harness_anomalib.catalogue import ONE_CLASS, Entry

if TYPE_CHECKING:
    from torch import Tensor

BATCH = 8
"""Exactly so many images are scored at once, because another number would change the last digits of sums."""


@dataclass
class Anomalib(Model):
    """A model of anomalib with its own encoder, fitted on our images: its raw scores and maps."""

    name = "anomalib"
    needs_options: ClassVar[bool] = True
    uses: ClassVar[frozenset[str]] = frozenset({"training"})
    licence = "Apache-2.0"
    source = "https://github.com/open-edge-platform/anomalib (2.7); the publication of each model is named there"

    model: str = ""
    """Its name, such as padim."""
    backbone: str = ""
    """The encoder's name in timm, where the model lets one choose; by default the model's own."""
    arguments: str = ""
    """More arguments of its class as JSON, such as {"n_features": 50}."""

    def __post_init__(self) -> None:
        if self.model and self.model not in ONE_CLASS:
            raise ValueError(unknown_name("model of anomalib", self.model, ONE_CLASS))
        self._given()
        if self.model and not ONE_CLASS[self.model].trained:
            self.uses = frozenset()  # type: ignore[misc]  # one pass over the images has no epochs

    def fit(self, normal: Images, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        """Let lightning fit it on normal images. Raises UnavailableError with what is missing, TrainingError."""
        entry = self._entry()
        if entry.download:
            raise UnavailableError(f"anomalib's {self.model} is left out, for it fetches {entry.download}")
        from harness_anomalib.fitting import fitted
        from harness_anomalib.quiet import quiet, seeded_everywhere

        # A model that is not trained has no batch size in its trial, and takes as many images at once as are scored.
        run = replace(run, batch_size=run.batch_size or BATCH)
        with quiet(), seeded_everywhere(run):
            self._device = run.device
            self._module = self._made(run)
            fitted(self._module, normal, run, trained=entry.trained, name=self.model)

    def score(self, images: Images) -> Scores:
        """Scores (N,), and maps (N, H, W) where the model gives any."""
        import torch

        from harness_anomalib.quiet import quiet

        scores, maps = [], []
        with quiet(), torch.inference_mode():
            self._module.eval()
            for start in range(0, len(images), BATCH):
                chosen = np.minimum(np.arange(start, start + BATCH), len(images) - 1)
                batch = torch.tensor(images.pixels[chosen], device=self._device).permute(0, 3, 1, 2).contiguous() / 255
                found = self._module.model(self._module.pre_processor(batch))
                kept = len(images) - start
                if found.anomaly_map is not None:
                    maps.append(_map_of(found.anomaly_map, images.pixels.shape[1])[:kept].cpu().numpy())
                scores.append(found.pred_score.reshape(BATCH)[:kept].float().cpu().numpy())
        return Scores(maps=np.concatenate(maps) if maps else None, images=np.concatenate(scores))

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Every number that anomalib keeps of it."""
        from harness_anomalib.keeping import arrays_of

        return arrays_of(self._module)

    def restore(
        self, state: Mapping[str, NDArray[Any]], *, encoder: Encoder | None, loss: Loss | None, run: Run
    ) -> None:
        """Become the fitted model whose `state()` this was. Raises UnavailableError where anomalib is not installed."""
        from harness_anomalib.keeping import fill
        from harness_anomalib.quiet import quiet, seeded_everywhere

        with quiet(), seeded_everywhere(run):
            self._device = run.device
            self._module = self._made(replace(run, weights="random"))
        fill(self._module, state)
        self._module.to(run.device).eval()

    def _entry(self) -> Entry:
        if not self.model:
            raise UsageError(f"model 'anomalib' needs one of its models, as in anomalib[model=padim]: {_listed()}")
        return ONE_CLASS[self.model]

    def _given(self) -> dict[str, Any]:
        """The arguments. Raises ValueError where they are no JSON object."""
        try:
            found = json.loads(self.arguments) if self.arguments else {}
        except json.JSONDecodeError as error:
            raise ValueError(f"arguments are {self.arguments!r}, expected JSON such as {{...}} ({error})") from None
        if not isinstance(found, dict):
            raise ValueError(f"arguments are {self.arguments!r}, expected a JSON object")
        return found

    def _made(self, run: Run) -> Any:
        from harness_anomalib.making import made

        return made(self._entry().cls, self.model, self.backbone, self._given(), run)


def _map_of(maps: Tensor, side: int) -> Tensor:
    """(N, H, W) of the image's size, from (N, 1, h, w) or (N, h, w)."""
    from torch.nn import functional

    maps = maps.reshape(len(maps), 1, *maps.shape[-2:]).float()
    if maps.shape[-1] != side:
        maps = functional.interpolate(maps, size=(side, side), mode="bilinear")
    return maps[:, 0]


def _listed() -> str:
    return ", ".join(ONE_CLASS)
