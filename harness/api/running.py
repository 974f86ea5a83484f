"""The parts around a run: executors decide where trials are fitted, and trackers are told of each trial that ends."""

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
    """Decides where trials are fitted. `harness.executors` documents what it works with."""

    kind = "executor"
    in_process: ClassVar[bool] = False
    """Whether it fits trials in this process, so that classes of a notebook or script can be used with it."""

    def prepare(self, wanted: str) -> str | None:
        """Called once before a run. Returns the device that fits will use for what is `wanted`, as torch spells it.

        None, the default, lets the harness choose a device of this machine. Raises UsageError.
        """
        return None

    def side_by_side(self, device: str, trials: int) -> int:
        """How many of these trials will share the cores of one machine. Each fit gets its share of them as threads."""
        return 1

    @abstractmethod
    def run(self, trials: Iterable[Trial], worker: Worker, observer: Observer) -> Iterator[Outcome]:
        """Fit trials and yield one outcome for each, in any order. Report progress to `observer.progressed`.

        Take the next trial only when it can start. If a trial is lost, yield an outcome with the reason. Raise
        UnavailableError only if the whole place is lost.
        """


@dataclass(frozen=True)
class TrackedTrial:
    """What a tracker is told about one trial."""

    id: str
    """The id of the trial in the store. The same trial on the same data always has the same id."""
    fingerprint: str
    """The fingerprint of its data; empty if the data could not be loaded."""
    name: str
    """A name for people, such as `bottle · dae + conv + mse · seed 0`."""
    status: Literal["done", "error"]
    reason: str
    """Why it failed; empty if it did not."""
    settings: Mapping[str, Any]
    """Data set, category, model, encoder, loss, seed and every other setting of the fit."""
    metrics: Mapping[str, float]
    """Times, speed, and the leaderboard's figures as `metric/pool/threshold`; pixel metrics have neither of the two."""
    losses: Sequence[float]
    """The training loss after each epoch."""
    made_by: Mapping[str, str]
    """Plugins, packages and the machine, with their versions."""
    command: str
    """The command that makes this trial again."""
    page: Callable[[], str]
    """Makes the page of the report for this trial, as HTML that loads nothing from elsewhere."""


class Tracker(Part):
    """Is told about each trial that ends, and records it elsewhere: on a server, in a folder, in a chat.

    `open`, `log` and `close` are called one after another, in a thread of their own that no trial waits for. An
    exception, or a call that takes longer than `deadline_s`, ends the tracking; the user is told once.
    """

    kind = "tracker"
    deadline_s: ClassVar[float] = 30.0
    """The seconds that one call may take."""

    def prepare(self) -> None:
        """Called first, in the caller's thread. Check the options and import packages here, but do not use the network.

        Imports belong here, since a module is only half made while another thread imports it. Raises UsageError.
        """

    @abstractmethod
    def open(self) -> None:
        """Called once before the first trial. Connect, and find out which trials were recorded earlier."""

    @abstractmethod
    def log(self, trial: TrackedTrial) -> None:
        """Record one trial. If it was recorded by an earlier run, replace it or leave it as it is."""

    def close(self) -> None:
        """Called once after the last trial."""
