"""`harness predict`."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np

from harness.api import Threshold
from harness.commands._drift import DriftTeller, drift_options
from harness.commands._options import plugin_option, store_option
from harness.commands._settings import setting_option
from harness.commands._stopping import stoppable
from harness.deployment.detector import Detector
from harness.deployment.image_files import ImageFiles
from harness.deployment.kept import directory_of
from harness.deployment.loading import load
from harness.deployment.predicting import Prediction, predict
from harness.deployment.unusual import UnusualImages
from harness.deployment.watching import watch
from harness.errors import HarnessError, UsageError
from harness.images.decoding import path_text, strict_pillow
from harness.images.tiles import Tiling
from harness.images.walk import IMAGE_SUFFIXES
from harness.plugin.registry import Registry
from harness.printable import printable
from harness.report.heat_maps import LARGEST_SIDE, heat_map
from harness.report.predictions import LINES, Lines, summary
from harness.trials import hardware
from harness.trials.settings import Settings

_ANY_ANOMALY, _SOME_UNREADABLE = 1, 3


@click.command()
@click.argument("model")
@click.argument("images", nargs=-1, type=click.Path(path_type=Path), metavar="[IMAGE_OR_FOLDER]...")
@click.option("--watch", "watched", type=click.Path(path_type=Path), help="Judge images as they arrive in this folder.")
@click.option("--threshold", help="Set the limit by another one, from the calibration scores that the model holds.")
@setting_option("max_false_alarms")
@click.option(
    "--pool", help="Another pool, of which the model holds calibration scores.  [default: what it was kept with]"
)
@click.option("--heat-maps", type=click.Path(path_type=Path), help="Folder for a PNG of each image with its errors.")
@drift_options
@click.option("--fail-on-anomaly", is_flag=True, help="Exit with 1 where an image is anomalous.")
@click.option(
    "--format",
    "style",
    default="rich",
    show_default=True,
    type=click.Choice(list(LINES)),
    help="json is a line an image.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@click.option("--weights-dir", type=click.Path(path_type=Path), help="For a loss that starts from published weights.")
@store_option
@plugin_option
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Judge images with a kept model: score, limit and decision of each.

    MODEL is a directory that `harness run --keep-models` wrote, or in the store its name, the beginning of that, or
    its trial id. Folders are searched at any depth. Exit code: 0 all images were judged, 3 some could not be read,
    1 some are anomalous and --fail-on-anomaly was given.
    """
    if bool(given["images"]) == bool(given["watched"]):
        raise UsageError("expected images or folders to judge, or --watch FOLDER, one of the two")
    if given["watched"] and not given["watched"].is_dir():
        raise UsageError(f"--watch {str(given['watched'])!r} is not a folder: expected the one that images arrive in")
    directory = directory_of(given["model"], given["store"])
    detector = _detector(directory, given)
    for remark in detector.remarks:
        click.echo(printable(f"harness: {remark}"), err=True)
    coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    files = ImageFiles(given["images"], given["heat_maps"])
    drift = DriftTeller.of(detector, directory, given)
    told = _Teller(detector, LINES[given["style"]](detector, coloured), given["heat_maps"], drift)
    try:
        with stoppable("Stopped."), strict_pillow():
            if given["watched"]:
                _warm_up(detector)
                click.echo(printable(f"Watching {path_text(given['watched'])}; Ctrl-C ends it."), err=True)
                told.tell(watch(detector, given["watched"], given["heat_maps"]))
            told.tell(predict(detector, files), timed=True)
    except KeyboardInterrupt as stop:
        click.echo(f"Stopped. {summary(told.decisions)}", err=True)
        ctx.exit(128 + (stop.args[0] if stop.args else signal.SIGINT))
    finally:
        drift.end()
    click.echo(summary(told.decisions, files.passed_over) + told.of_tiles, err=True)
    if given["fail_on_anomaly"] and told.decisions["anomalous"]:
        ctx.exit(_ANY_ANOMALY)
    if told.troubled:
        ctx.exit(_SOME_UNREADABLE)


def _detector(directory: Path, given: dict[str, Any]) -> Detector:
    """The model that is meant, deciding as is asked. Raises UsageError, ModelError, UnavailableError."""
    registry = Registry.discover(given["plugin_files"])
    detector = load(directory, registry, hardware.device(given["device"]), given["weights_dir"])
    if given["threshold"] is None and given["pool"] is None and given["max_false_alarms"] is None:
        return detector
    asked = {"thresholds": given["threshold"] or detector.threshold, "max_false_alarms": given["max_false_alarms"]}
    threshold = registry.make(Threshold, str(Settings.of(asked, "command line").thresholds[0]))
    return detector.judging(threshold, given["pool"])


def _warm_up(detector: Detector) -> None:
    """The first image of all takes longest; it shall not be one that a line waits for."""
    size = detector.saved.trial.image_size
    with suppress(Exception):  # what is wrong with the model, the first image will tell
        detector.decide_at_once(np.zeros((1, size, size, 3), np.uint8))


@dataclass
class _Teller:
    """Writes each prediction as it comes, its picture where one is wanted, and what is to say about it."""

    detector: Detector
    lines: Lines
    heat_maps: Path | None
    drift: DriftTeller
    decisions: Counter[str] = field(default_factory=Counter)
    troubled: bool = False
    """Whether a file could not be judged, or a picture not be written."""
    tiles: int = 0
    seconds: float = 0.0
    """How many tiles were judged of images that are cut, and in which time."""
    _told_of_no_maps: bool = False

    @property
    def of_tiles(self) -> str:
        """How fast images were judged in tiles; empty where they are not cut."""
        size = self.detector.saved.trial.tiles
        if not self.tiles:
            return ""
        return f"; {self.tiles} tiles of {size}x{size}, {self.tiles / max(self.seconds, 1e-9):.0f} a second"

    def tell(self, predictions: Iterable[Prediction], *, timed: bool = False) -> None:
        """Follow predictions until they end; where nobody waits for images, they may be timed."""
        forms = UnusualImages(self.detector)
        click.echo(self.lines.heading(), nl=False)
        begun = time.monotonic()
        for one in predictions:
            if timed:
                self._count_tiles(one, begun)
            self.decisions[one.decision] += 1
            if one.problem:
                self._complain(one.problem)
            elif remark := forms.remark(one.file):
                click.echo(printable(f"harness: {remark}"), err=True)
            picture = self._picture(one) if self.heat_maps and one.score is not None else ""
            click.echo(self.lines.line(one, picture), nl=False)
            self.drift.follow(one)

    def _count_tiles(self, one: Prediction, begun: float) -> None:
        trial = self.detector.saved.trial
        if trial.tiles and one.pixels is not None:
            self.tiles += Tiling(trial.tiles, trial.overlap).count(*one.pixels.shape[:2])
            self.seconds = time.monotonic() - begun

    def _complain(self, problem: str) -> None:
        self.troubled = True
        click.echo(printable(f"harness: {problem}"), err=True)

    def _picture(self, one: Prediction) -> str:
        """Write a heat map; its path, or nothing where there is none."""
        assert self.heat_maps is not None
        if one.map is None:
            if not self._told_of_no_maps:
                click.echo(f"harness: model {self.detector.model.name!r} has no maps: no heat maps", err=True)
            self._told_of_no_maps = True
            return ""
        usual = self.detector.saved.calibration.get("max", one.map)
        file = self.heat_maps / _heat_map_name(one.name)
        try:
            png = heat_map(self.detector.picture(one.file, LARGEST_SIDE), one.map, float(usual.max() or one.map.max()))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(png)
        except OSError as error:
            self._complain(f"heat map {path_text(file)} cannot be written: {error.strerror or error}")
            return ""
        except HarnessError as error:  # the image has vanished, or was written anew
            self._complain(f"heat map {path_text(file)} cannot be made: {error}")
            return ""
        return path_text(file)


def _heat_map_name(image: Path) -> Path:
    """Where an image's heat map goes, a PNG that no other image's is: those of a.jpg and a.jpg.png differ too."""
    plain = image.suffix.lower() == ".png" and image.with_suffix("").suffix.lower() not in IMAGE_SUFFIXES
    return image if plain else Path(f"{image}.png")
