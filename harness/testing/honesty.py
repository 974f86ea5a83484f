"""What the harness relies on in a model beside its scores: that it looks for no answers, and changes nobody else."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from harness.api import GOOD, Images, Model, Progress, Scores, Split
from harness.testing.models import RUN, _assert_equal, _fit
from harness.testing.parts import Check, fresh
from harness.testing.toys import toy_images
from harness.trials.handed import handed
from harness.trials.surroundings import put_back


def checks(model: Model) -> Iterator[Check]:
    """The checks that apply to any model."""
    yield check_finds_no_labels_around_it
    yield check_leaves_the_process_as_it_was
    yield check_reports_finite_losses


def check_finds_no_labels_around_it(model: Model) -> None:
    """Labels that its callers hold, or that files which are open tell, do not reach the scores."""
    images, train = toy_images(12, defective=6, seed=2), toy_images(16, seed=1)
    opposite = tuple("square" if kind == GOOD else GOOD for kind in images.defects)
    found = []
    for defects in (images.defects, opposite):
        paths = tuple(f"test/{kind}/{index:03}.png" for index, kind in enumerate(defects))
        found.append(_scored_beside(model, Split(train, replace(images, defects=defects, paths=paths))))
        gc.collect()  # so that only one answer is to be found at a time
    _assert_equal(found[0], found[1], "labels on the stack, in memory and in the names of open files", tolerance=0)


def check_leaves_the_process_as_it_was(model: Model) -> None:
    """Nothing that other models compute with is changed: modes, filters, environment, folder, handlers, streams."""
    with put_back() as changed:
        fitted = fresh(model)
        _fit(fitted, handed(toy_images(16, seed=1)), RUN)
        fitted.score(handed(toy_images(4, seed=2)))
    assert not changed, f"it changed {' and '.join(changed)} for the whole process"


def check_reports_finite_losses(model: Model) -> None:
    """What it reports of its training, if anything, is a finite loss."""
    reports: list[Progress] = []
    _fit(fresh(model), handed(toy_images(16, seed=1)), replace(RUN, report=reports.append))
    for report in reports:
        assert np.isfinite(float(report.loss)), f"epoch {report.epoch} was reported with a loss of {report.loss}"


def _scored_beside(model: Model, split: Split) -> Scores:
    """What a model scores while labels are where a careless harness would have them."""
    fitted = fresh(model)
    with _open_files(split.test):
        _fit(fitted, handed(split.train), RUN)
        return fitted.score(handed(split.test))


@contextmanager
def _open_files(images: Images) -> Iterator[None]:
    """Within, the file of each image is open, under the name that a data set would give it."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        for path, pixels in zip(images.paths, images.pixels, strict=True):
            file = Path(folder) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(pixels.tobytes())
            stack.enter_context(file.open("rb"))
        yield
