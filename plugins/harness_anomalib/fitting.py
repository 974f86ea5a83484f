"""Lightning fits a model of anomalib on our normal images, and tells us how far it is."""

from __future__ import annotations

import math
import tempfile
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch

from harness import Images, Progress, Run, TrainingError, UnavailableError
from harness_autoencoders.memory import freed_memory_is_returned

VALIDATED = 8
"""How many of the normal images stand for a validation set, which some models ask for before they can score."""


def fitted(module: Any, normal: Images, run: Run, *, trained: bool, name: str) -> None:
    """Fit it in the run's epochs and batches. Raises TrainingError, UnavailableError for what lightning cannot do."""
    from lightning.pytorch import Trainer

    data = _data(normal, run, shuffled=trained)
    reporter = _reporter(run, len(normal))
    settings: dict[str, Any] = {**module.trainer_arguments, "max_epochs": run.epochs}
    if not trained:
        settings["max_epochs"] = module.trainer_arguments.get("max_epochs", 1)
    settings.pop("max_steps", None)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            **settings,
            accelerator="cpu" if run.device == "cpu" else "gpu",
            callbacks=[reporter],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        try:
            # A model that is not trained chooses from all patches at the end, which breaks memory into small pieces.
            with nullcontext() if trained else freed_memory_is_returned():
                trainer.fit(module, datamodule=data)
        except (TrainingError, KeyboardInterrupt):
            raise
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise UnavailableError(f"anomalib's {name} cannot be fitted to {len(normal)} images: {reason}") from error
    module.to(run.device).eval()


def _data(normal: Images, run: Run, *, shuffled: bool) -> Any:
    from anomalib.data import ImageBatch
    from lightning.pytorch import LightningDataModule
    from torch.utils.data import DataLoader

    def batch(chosen: list[int]) -> Any:
        """Normal images without a path, and no label but that they are normal."""
        images = torch.from_numpy(np.array(normal.pixels[chosen])).permute(0, 3, 1, 2).contiguous().float() / 255
        count, side = len(chosen), images.shape[2]
        return ImageBatch(
            image=images,
            gt_label=torch.zeros(count, dtype=torch.bool),
            gt_mask=torch.zeros(count, side, side, dtype=torch.bool),
        )

    class NormalImages(LightningDataModule):  # type: ignore[misc]
        name, category = "normal", "normal"

        def train_dataloader(self) -> Any:
            order = torch.Generator().manual_seed(run.seed)
            places = list(range(len(normal)))
            # A last batch of one image, which batch normalisation cannot take, joins none and is left out.
            alone = shuffled and len(normal) % run.batch_size == 1 and len(normal) > 1
            return DataLoader(
                places,  # type: ignore[arg-type]
                batch_size=run.batch_size,
                shuffle=shuffled,
                drop_last=alone,
                generator=order,
                collate_fn=batch,
            )

        def val_dataloader(self) -> Any:
            return DataLoader(list(range(min(VALIDATED, len(normal)))), batch_size=1, collate_fn=batch)  # type: ignore[arg-type]

    return NormalImages()


def _reporter(run: Run, images: int) -> Any:
    from lightning.pytorch import Callback

    class Reporter(Callback):  # type: ignore[misc]
        def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
            self.losses: list[float] = []

        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
            if loss is not None:
                self.losses.append(float(loss))

        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            mean = float(np.mean(self.losses)) if self.losses else 0.0
            epoch = trainer.current_epoch + 1
            if not math.isfinite(mean):
                raise TrainingError(f"loss is {mean} in epoch {epoch} of {trainer.max_epochs}")
            run.report(Progress(epoch, max(trainer.max_epochs, epoch), mean, images))

    return Reporter()
