"""From a directory that holds a kept model to a detector that is ready to decide."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from harness.api import Dataset, Encoder, Loss, Model, Part, Pool
from harness.deployment.detector import Detector
from harness.errors import HarnessError, ModelError, UnavailableError, error_line
from harness.plugin.in_process import IN_PROCESS
from harness.plugin.registry import KINDS, Registry
from harness.plugin.spec import parse, spell
from harness.trials import hardware
from harness.trials.framed import framed
from harness.trials.saved_model import SavedModel, read, read_weights
from harness.trials.trial import UNUSED

P = TypeVar("P", bound=Part)


def load(directory: Path, registry: Registry, device: str = "cpu", weights_dir: Path | None = None) -> Detector:
    """The model that a directory holds, ready to decide. Raises ModelError, UnavailableError."""
    saved = read(directory)
    trial = saved.trial
    remarks = (*_remarks(saved, registry), *filter(None, [saved.doubt]))
    dataset = _make(registry, Dataset, trial.dataset, saved, directory)
    dataset.read_depth, dataset.resize = saved.depth, trial.resize
    model = _make(registry, Model, trial.model, saved, directory)
    encoder = None if trial.encoder == UNUSED else _make(registry, Encoder, trial.encoder, saved, directory)
    loss = None if trial.loss == UNUSED else _make(registry, Loss, trial.loss, saved, directory)
    state = read_weights(directory, saved)
    try:
        with hardware.limited_to(saved.threads):
            model.restore(state, encoder=encoder, loss=loss, run=saved.trial.run(device, weights_dir))
    except UnavailableError:
        raise
    except Exception as error:  # what one version of a plugin has learned may not fit another
        reason = error_line(error)
        told = "; ".join((reason, *remarks))
        raise ModelError(f"model {str(directory)!r}: {spell(model)} cannot take what it learned: {told}") from error
    return Detector(
        saved,
        framed(model, trial),
        dataset,
        saved.pool,
        saved.threshold,
        saved.limit,
        device,
        _pools(registry, saved, directory),
        remarks,
    )


def _pools(registry: Registry, saved: SavedModel, directory: Path) -> dict[str, Pool]:
    """The pools of its calibration scores that are offered here. Raises ModelError where its own is not."""
    if saved.pool == UNUSED:
        return {}
    pools = {saved.pool: _make(registry, Pool, saved.pool, saved, directory)}
    for text in saved.calibration.keys() - {saved.pool}:
        with suppress(HarnessError):  # it is missed only by somebody who chooses another pool
            pools[text] = registry.make(Pool, text)
    return pools


def _make(registry: Registry, kind: type[P], text: str, saved: SavedModel, directory: Path) -> P:
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


def _remarks(saved: SavedModel, registry: Registry) -> list[str]:
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
