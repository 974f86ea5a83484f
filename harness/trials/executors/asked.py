"""The executor that the settings ask for. Some settings, such as `jobs`, are short for one of its options."""

from __future__ import annotations

import dataclasses

from harness.api import Executor
from harness.errors import HarnessError, UsageError, where_raised
from harness.plugin.in_process import choose
from harness.plugin.options import options_of
from harness.plugin.registry import Registry
from harness.plugin.spec import spell
from harness.trials import hardware
from harness.trials.executors.local import Local
from harness.trials.settings import Settings

_OPTIONS = {"jobs": "jobs", "ray_address": "address", "cpus_per_trial": "cpus", "gpus_per_trial": "gpus"}
"""Setting to the option of an executor that it fills in: `--jobs 2` is `--executor 'local[jobs=2]'`."""


def device_of(executor: Executor, wanted: str) -> str:
    """The device that fits will use, as torch spells it. Raises UsageError, also for any exception of a plugin."""
    try:
        found = executor.prepare(wanted)
    except (HarnessError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise UsageError(f"executor {spell(executor)} cannot be used: {where_raised(error)}") from error
    if not isinstance(found, str | None):
        raise UsageError(
            f"executor {spell(executor)} says the device {found!r:.60}, expected text such as cuda, or None"
        )
    return found or hardware.device(wanted)


def jobs_of(executor: Executor, device: str, trials: int) -> int:
    """How many trials share the cores of a machine. Raises UsageError, also for any exception of a plugin."""
    try:
        jobs = executor.side_by_side(device, trials)
    except (HarnessError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise UsageError(f"executor {spell(executor)} cannot be used: {where_raised(error)}") from error
    if type(jobs) is not int or jobs < 1:
        raise UsageError(f"executor {spell(executor)} says {jobs!r:.60} trials side by side, expected a number from 1")
    return jobs


def executor_of(registry: Registry, settings: Settings) -> Executor:
    """The executor that was asked for, with its options. Raises UsageError for an option that it does not have."""
    (executor,) = choose(registry, Executor, settings.executor)
    if settings.trial_minutes is not None and not settings.isolate and not isinstance(executor, Local):
        raise UsageError(
            f"executor {executor.name!r} cannot end a trial that is late: give {settings.called('isolate')} as well, "
            f"which can, or leave out {settings.called('trial_minutes')}"
        )
    known = [option.name for option in options_of(type(executor))]
    for setting, option in _OPTIONS.items():
        value, called = getattr(settings, setting), settings.called(setting)
        if value is None:
            continue
        if option not in known:
            others = f"its options are {', '.join(known)}" if known else "it has no options"
            raise UsageError(
                f"{called} is for an executor with the option {option!r}, and {executor.name!r} is none: {others}"
            )
        if getattr(executor, option) not in (None, value):
            raise UsageError(f"{called} is {value}, and the executor is {spell(executor)}: give one of the two")
        try:
            executor = dataclasses.replace(executor, **{option: value})  # type: ignore[type-var]  # it has options
        except ValueError as error:
            raise UsageError(f"{called}: {error}") from error
    return executor
