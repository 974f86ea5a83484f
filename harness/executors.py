"""What you need to write an executor: the values that it is given, and how to fit trials elsewhere.

An executor is given trials, a worker and an observer. `worker.perform(trial, observer)` fits a trial in this process.
To fit it on another machine, send `RemoteWorker.of(worker)`, `portable(split)` and `makers(trial, worker.registry)`
there, call `perform`, send back its result, and call `returned.kept_by(worker)` here. plugins/harness_ray does this.
"""

from harness.api import Executor, Progress, Split
from harness.plugin.printed import kept_apart
from harness.trials.hardware import cores
from harness.trials.hardware import jobs as usual_jobs
from harness.trials.hardware import threads as threads_of_a_fit
from harness.trials.observers import Observer
from harness.trials.provenance import Makers, makers
from harness.trials.remote import RemoteWorker, Returned, portable
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker, WorkerConfig

__all__ = [
    "Executor",
    "Makers",
    "Observer",
    "Outcome",
    "Progress",
    "RemoteWorker",
    "Returned",
    "Split",
    "Trial",
    "Worker",
    "WorkerConfig",
    "cores",
    "kept_apart",
    "makers",
    "portable",
    "threads_of_a_fit",
    "usual_jobs",
]
