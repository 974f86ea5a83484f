"""Nothing of anomalib and lightning is printed, and all their chance comes from the run."""

from __future__ import annotations

import contextlib
import io
import logging
import random
import warnings
from collections.abc import Iterator

import numpy as np

from harness import Run
from harness_autoencoders import seeded

LOGGERS = ("anomalib", "lightning", "lightning.pytorch", "pytorch_lightning", "timm")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """While this is active, their loggers, warnings, progress and prints go nowhere."""
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextlib.contextmanager
def seeded_everywhere(run: Run) -> Iterator[None]:
    """While this is active, the generators of torch, numpy and Python start from the run's seed."""
    before, numpys = random.getstate(), np.random.get_state()
    random.seed(run.seed)
    np.random.seed(run.seed)
    try:
        with seeded(run):
            yield
    finally:
        random.setstate(before)
        np.random.set_state(numpys)
