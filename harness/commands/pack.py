"""`harness pack`."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from harness.api import Images, Threshold
from harness.commands._options import plugin_option, store_option
from harness.deployment.conversion import engine_of
from harness.deployment.detector import Detector
from harness.deployment.engines import ENGINES
from harness.deployment.image_files import ImageFiles
from harness.deployment.kept import directory_of
from harness.deployment.loading import load
from harness.deployment.packing import Packed, pack
from harness.errors import UsageError
from harness.images.decoding import path_text, strict_pillow
from harness.images.framing import PAD, TILES, Frame
from harness.plugin.registry import Registry
from harness.printable import printable
from harness.trials.datasets import open_dataset
from harness.trials.holdout import normal_images
from harness.trials.protocols.axes import presented


@click.command()
@click.argument("model")
@click.option("--format", "form", type=click.Choice(list(ENGINES)), required=True, help="Of the graph.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path(),
    help="File or folder to write to.  [default: this folder]",
)
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder of the data set that MODEL was fitted on.")
@click.option("--images", type=click.Path(path_type=Path), help="Folder of normal images to verify on instead.")
@click.option("--threshold", help="Set the limit by another one, from the calibration scores that the model holds.")
@click.option("--pool", help="Score by mean, max or topk.  [default: what the model was kept with]")
@click.option("--weights-dir", type=click.Path(path_type=Path), help="For a loss that starts from published weights.")
@store_option
@plugin_option
def command(
    model: str,
    form: str,
    out: Path,
    data_root: Path | None,
    images: Path | None,
    threshold: str | None,
    pool: str | None,
    weights_dir: Path | None,
    store: Path,
    plugin_files: tuple[Path, ...],
) -> None:
    """Write a kept model as one graph, from pixels to decision, for another runtime.

    MODEL is a directory that `harness run --keep-models` wrote, or its name or trial id in the store. Nothing is
    written unless the graph's scores are those of torch, to within a thousandth, on the normal images that the model's
    threshold was set on, or on normal test images where it was fitted to those.
    """
    engine_of(form)
    registry = Registry.discover(plugin_files)
    detector = load(directory_of(model, store), registry, weights_dir=weights_dir)
    for remark in detector.remarks:
        click.echo(printable(f"harness: {remark}"), err=True)
    if threshold is not None or pool is not None:
        detector = detector.judging(registry.make(Threshold, threshold or detector.threshold), pool)
    normal = _calibration(detector, registry, data_root) if images is None else _folder(detector, images)
    _say(pack(detector, normal, form, out), detector, form)


def _calibration(detector: Detector, registry: Registry, root: Path | None) -> Images:
    """Normal images: those that the limit was set on, or test images where it was set on fitted ones.

    Raises UsageError where they are out of reach, DataError.
    """
    trial = detector.saved.trial
    dataset = open_dataset(registry, trial.dataset, root, trial.resize, skip_unreadable=True)  # the fingerprint tells
    otherwise = "or --images with a folder of normal ones"
    if dataset.needs_root and root is None:
        raise UsageError(
            f"no images to verify the graph on: give --data-root with {trial.dataset}'s {trial.category}, {otherwise}"
        )
    split = presented(dataset.load(trial.category, trial.image_size), trial)
    if split.fingerprint != detector.saved.fingerprint:
        raise UsageError(
            f"{trial.dataset}'s {trial.category} is not the data that the model was fitted on: its fingerprint is "
            f"{split.fingerprint}, expected {detector.saved.fingerprint}. Give the --data-root of that, {otherwise}"
        )
    normal = normal_images(split, trial.holdout, trial.seed, trial.calibrate)
    unseen = split.test.take(np.flatnonzero(~split.test.labels))
    fitted = normal.calibration is normal.fitted
    return unseen if fitted and len(unseen) else normal.calibration  # a memory of images scores these as nearly 0


def _folder(detector: Detector, folder: Path) -> Images:
    """Every image of a folder. Raises UsageError for none, DataError for one that cannot be read."""
    found = list(ImageFiles([folder]))
    for problem in filter(None, (one.problem for one in found)):
        raise UsageError(f"--images: {problem}")
    with strict_pillow():
        read = [detector.read(one.file) for one in found]
    frame = Frame.around(TILES, 0, [(pixels.shape[1], pixels.shape[0]) for pixels in read])
    boxes = np.array([frame.box(pixels.shape[1], pixels.shape[0]) for pixels in read], np.intp)
    return Images(np.stack(list(map(frame.image, read))), tuple(path_text(one.file) for one in found), boxes=boxes)


def _say(packed: Packed, detector: Detector, form: str) -> None:
    """Say what was written, how it was verified, and what has to be done where it runs."""
    agreement, trial = packed.agreement, detector.saved.trial
    size = trial.tiles or trial.image_size
    names, written = " and ".join(part.name for part in packed.with_it), (packed.file, *packed.with_it)
    lines = [
        f"Written to {packed.file}, with {names}; {sum(part.stat().st_size for part in written) / 1e6:.1f} MB in all.",
        f"On {agreement.engine} {agreement.version} the scores of {agreement.images} normal images differ from torch's "
        f"by {agreement.largest_difference:.1e} of their size at most, at {agreement.at}.",
    ]
    if agreement.other_decisions:
        lines.append(f"{agreement.other_decisions} of them lie so near the limit that they are decided otherwise.")
    if packed.side_inputs:
        names = " and ".join(packed.side_inputs)
        lines.append(f"It takes {names} beside pixels, drawn as for the stored scores.")
    for name, value in ENGINES[form].settings.items():
        lines.append(f"{agreement.engine} needs {name} at {value} wherever it runs, as it had here.")
    if trial.tiles:
        lines.append(f"It takes tiles of {size}x{size} and gives their maps; the JSON says how to cut and to join.")
    elif trial.resize == PAD:
        lines.append(f"Images are to be padded to {size}x{size} before it; the JSON says how, and what counts.")
    else:
        lines.append(f"Images are to be resized to {size}x{size} before it; the JSON says how.")
    click.echo("\n".join(map(printable, lines)))
