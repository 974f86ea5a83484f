"""The command that makes a trial again."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from harness.printable import command, listed
from harness.trials.trial import UNUSED, Trial, as_options


def command_of(trial: Trial, rootless: Collection[str] = (), categories: Sequence[str] = ()) -> str:
    """The `harness run` command of one trial, or of the same on several categories, quoted for a shell.

    Data sets that are not `rootless` get a placeholder in capitals for their folder. The device is left out.
    """
    options: dict[str, object] = {"dataset": trial.dataset}
    if trial.dataset not in rootless:
        options["data-root"] = "DATA_ROOT"
    options["categories"] = listed(list(categories) or [trial.category])
    options["models"] = trial.model
    options |= {
        f"{axis}s" if axis == "encoder" else "losses": getattr(trial, axis)
        for axis in ("encoder", "loss")
        if getattr(trial, axis) != UNUSED
    }
    options |= {"seeds": trial.seed, "image-size": trial.image_size}
    if trial.epochs:
        options |= {"epochs": trial.epochs, "batch-size": trial.batch_size, "learning-rate": trial.learning_rate}
    if trial.holdout:
        options["holdout"] = trial.holdout
    if trial.calibrate:
        options["calibrate"] = trial.calibrate
    options |= as_options(trial.protocol)
    options["precision"] = trial.precision
    if trial.weights != UNUSED:
        options["weights"] = trial.weights
    return command("harness", "run", *(word for name, value in options.items() for word in (f"--{name}", value)))
