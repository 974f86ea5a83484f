"""`harness submit-maps`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.api import Threshold
from harness.commands._options import plugin_option, store_option
from harness.deployment.kept import directory_of
from harness.deployment.loading import load
from harness.deployment.submitting import by_pixel, write_maps
from harness.errors import UsageError
from harness.plugin.registry import Registry
from harness.printable import printable
from harness.trials import hardware


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--data-root", required=True, type=click.Path(path_type=Path), help="Folder of the data set.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the submission to write."
)
@click.option(
    "--threshold", help="Sets the limit of pixels on the worst ones of normal images.  [default: as the model was kept]"
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@click.option("--weights-dir", type=click.Path(path_type=Path), help="For a loss that starts from published weights.")
@store_option
@plugin_option
def command(
    models: tuple[str, ...],
    data_root: Path,
    out: Path,
    threshold: str | None,
    device: str,
    weights_dir: Path | None,
    store: Path,
    plugin_files: tuple[Path, ...],
) -> None:
    """Write maps of test images without public labels, in the form that a benchmark's server accepts.

    Give one MODEL for each category: a directory that `harness run --keep-models` wrote, or its name or trial id in
    the store. For MVTec AD 2 the images of test_private and test_private_mixed are judged. Maps are float16 TIFF files
    in the size of the image, thresholded maps PNG files of 0 and 255.
    """
    registry, seen = Registry.discover(plugin_files), dict[str, str]()
    for model in models:
        detector = load(directory_of(model, store), registry, hardware.device(device), weights_dir)
        trial = detector.saved.trial
        if trial.category in seen:
            raise UsageError(f"{seen[trial.category]} and {model} are both of {trial.category}: give one of them")
        seen[trial.category] = model
        detector.dataset.root = data_root
        files = detector.dataset.unlabelled(trial.category)
        if not any(files.values()):
            raise UsageError(
                f"data set {detector.dataset.name!r} has no test images without labels of {trial.category} in "
                f"{str(data_root)!r}: expected folders such as mvtec_ad_2 has, test_private and test_private_mixed"
            )
        detector = by_pixel(detector, registry.make(Threshold, threshold or detector.threshold))
        for folder, count in write_maps(detector, files, out):
            click.echo(printable(f"{trial.category} {folder}: {count} maps by {trial.method}"), err=True)
    click.echo(printable(f"Written to {out}. The check that comes with the data set counts and packs it."), err=True)
