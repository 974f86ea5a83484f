"""The parts around a run: executors, which say where trials are fitted, and trackers, which are told of each trial."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.api.parts import Part

if TYPE_CHECKING:
    from harness.trials.observers import Observer
    from harness.trials.trial import Outcome, Trial
    from harness.trials.worker import Worker


class Executor(Part):
    """Decides where trials are fitted. What it is handed is documented in `harness.executors`."""

    kind = "executor"

    def prepare(self, wanted: str) -> str | None:
        """Called once before a run: the device that fits compute on when `wanted` is asked for, as torch spells it.

        None, the default, looks for it on this machine. Raises UsageError where the place asked for cannot be used.
        """
        return None

    def side_by_side(self, device: str, trials: int) -> int:
        """How many of so many trials will share the cores of one machine; each is given that share as its threads."""
        return 1

    @abstractmethod
    def run(self, trials: Iterable[Trial], worker: Worker, observer: Observer) -> Iterator[Outcome]:
        """Outcomes in any order, one for each trial; tell `observer.progressed` how far fits are.

        Take the next trial only when it can start. A trial that is lost is an outcome with its reason; beside
        interrupts only the loss of the place itself is raised, as UnavailableError.
        """


@dataclass(frozen=True)
class TrackedTrial:
    """What a tracker is told of one trial."""

    id: str
    """The trial's id in the store: the same trial on the same data has the same id for ever."""
    fingerprint: str
    """Of the data; empty where the data could not be loaded."""
    name: str
    """For people, as `bottle · dae + conv + mse · seed 0`."""
    status: Literal["done", "error"]
    reason: str
    """Why it failed; empty where it did not."""
    settings: Mapping[str, Any]
    """Data set, category, model, encoder, loss, seed and every other setting of the fit."""
    metrics: Mapping[str, float]
    """Seconds, speed, and the leaderboard's figures as `metric/pool/threshold`; pixel metrics have no pool."""
    losses: Sequence[float]
    """The training loss after each epoch."""
    made_by: Mapping[str, str]
    """Plugins, packages and the machine, with their versions."""
    command: str
    """What a person types to make it again."""
    page: Callable[[], str]
    """Makes the trial's page of the report: HTML that fetches nothing."""


class Tracker(Part):
    """Is told of each trial that ends, and writes it down elsewhere: a server, a folder, a chat.

    `open` and `log` are called one after another in a thread of the tracker's own, which no trial waits for. Whatever
    they raise, and a call that takes longer than `deadline_s`, ends the tracking and is said once.
    """

    kind = "tracker"
    deadline_s: ClassVar[float] = 30.0
    """How long one call may take."""

    def prepare(self) -> None:
        """Called first, in the caller's thread: check what is asked for, and import packages, but ask no network.

        Modules that another thread imports are half made meanwhile. Raises UsageError where it cannot be used so.
        """

    @abstractmethod
    def open(self) -> None:
        """Called once before the first trial: connect, and find out which trials are there already."""

    @abstractmethod
    def log(self, trial: TrackedTrial) -> None:
        """Write one trial down. It may be there from an earlier run: then replace it, or leave it as it is."""

    def close(self) -> None:
        """Called once after the last trial."""
