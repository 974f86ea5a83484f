"""What `harness predict` says about drift."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.deployment.detector import Detector
from harness.deployment.drift import ALARM, Drift, state_file
from harness.deployment.predicting import Prediction
from harness.errors import ModelError
from harness.printable import printable

F = TypeVar("F", bound=Callable[..., Any])


def drift_options(command: F) -> F:
    """--drift-alarm N and --drift-state FILE."""
    alarm = click.option(
        "--drift-alarm",
        default=ALARM,
        show_default=True,
        type=click.IntRange(0),
        metavar="IMAGES",
        help="Say it where the images called normal change. A false alarm comes at most once in so many normal images "
        "on average; 0 looks for no drift.",
    )
    state = click.option(
        "--drift-state",
        type=click.Path(path_type=Path),
        help="File to remember drift in, for the next call.  [default: with --watch one beside the model, else none]",
    )
    return alarm(state(command))


@dataclass
class DriftTeller:
    """Looks for drift if the model allows it, and says on stderr what it finds."""

    drift: Drift | None

    @classmethod
    def of(cls, detector: Detector, directory: Path, given: dict[str, Any]) -> DriftTeller:
        """As the options ask; with --watch, says why if it cannot look. Raises ModelError for a damaged state file."""
        watched, images = given["watched"], given["drift_alarm"]
        if not images or not len(detector.saved.calibration[detector.pool]):
            return cls(None)
        if not detector.saved.unfitted:
            if watched:
                _say(
                    "no drift is looked for: the limit was set on images that the model was fitted on, which new ones "
                    "never resemble; keep a model with --calibrate crossfit for that"
                )
            return cls(None)
        file = given["drift_state"] or (state_file(directory, watched, detector) if watched else None)
        drift = Drift(detector, images, file)
        if drift.resumed:
            _say(drift.resumed)
        return cls(drift)

    def follow(self, one: Prediction) -> None:
        """Count a prediction if its image is called normal."""
        if self.drift is None:
            return
        try:
            said = self.drift.follow(one)
        except ModelError as error:
            self._forget(error)
        else:
            if said:
                _say(said)

    def end(self) -> None:
        """Write down what the next call needs to know."""
        try:
            if self.drift is not None:
                self.drift.save()
        except ModelError as error:
            self._forget(error)

    def _forget(self, error: ModelError) -> None:
        assert self.drift is not None
        if self.drift.told:
            _say(self.drift.told)
        _say(f"{error}; it is forgotten when this ends")
        self.drift.file = None


def _say(text: str) -> None:
    click.echo(printable(f"harness: {text}"), err=True)
