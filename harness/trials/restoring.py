"""A kept model becomes a model again that can score, from what its directory holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from harness.api import Encoder, Loss, Model, Part
from harness.errors import HarnessError, ModelError, UnavailableError, error_line
from harness.plugin.in_process import IN_PROCESS
from harness.plugin.registry import KINDS, Registry
from harness.plugin.spec import parse, spell
from harness.trials import hardware
from harness.trials.framed import framed
from harness.trials.saved_model import SavedModel, read_weights
from harness.trials.trial import UNUSED

P = TypeVar("P", bound=Part)


def restored(
    saved: SavedModel,
    directory: Path,
    registry: Registry,
    device: str = "cpu",
    weights_dir: Path | None = None,
    remarks: Sequence[str] = (),
) -> Model:
    """The model with what it has learned, framed as for its fit. Raises ModelError, UnavailableError.

    Remarks are told beside an error: they may be its cause.
    """
    trial = saved.trial
    model = made(registry, Model, trial.model, saved, directory)
    encoder = None if trial.encoder == UNUSED else made(registry, Encoder, trial.encoder, saved, directory)
    loss = None if trial.loss == UNUSED else made(registry, Loss, trial.loss, saved, directory)
    state = read_weights(directory, saved)
    try:
        with hardware.limited_to(saved.threads):
            model.restore(state, encoder=encoder, loss=loss, run=trial.run(device, weights_dir))
    except UnavailableError:
        raise
    except Exception as error:  # what one version of a plugin has learned may not fit another
        told = "; ".join((error_line(error), *remarks))
        raise ModelError(f"model {str(directory)!r}: {spell(model)} cannot take what it learned: {told}") from error
    return framed(model, trial)


def made(registry: Registry, kind: type[P], text: str, saved: SavedModel, directory: Path) -> P:
    """A part that a kept model needs. Raises ModelError, which says where it came from."""
    try:
        return registry.make(kind, text)
    except HarnessError as error:
        needs = f"model {str(directory)!r} needs {kind.kind} {text!r}"
        source = saved.plugins.get(kind.kind, "a plugin that it does not name")
        if source.startswith(IN_PROCESS):
            raise ModelError(
                f"{needs}, which was defined in the notebook or script that fitted it, and not in a plugin: {error} "
                "Give its class (plugins=[ThatClass]), or a .py file that has it with its hook (--plugin FILE.py)"
            ) from error
        raise ModelError(f"{needs} of {source}: {error} Install it, or give --plugin FILE.py") from error


def remarks_on(saved: SavedModel, registry: Registry) -> list[str]:
    """One sentence for each plugin whose version differs from that of the fit."""
    spelt = {"dataset": saved.trial.dataset, "model": saved.trial.model}
    spelt |= {"encoder": saved.trial.encoder, "loss": saved.trial.loss, "pool": saved.pool}
    found = []
    for kind, text in spelt.items():
        offer = None if text == UNUSED else registry.offers(KINDS[kind]).get(parse(text)[0])
        then = saved.plugins.get(kind)
        if offer is None or then is None:
            continue
        distribution, _, version = then.rpartition(" ")
        if version != offer.plugin.version or Path(distribution).name != Path(offer.plugin.distribution).name:
            now = f"{offer.plugin.distribution} {offer.plugin.version}"
            found.append(f"it was fitted with {kind} {text} of {then}, here it is of {now}: scores may differ")
    return found
