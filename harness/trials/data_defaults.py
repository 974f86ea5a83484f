"""Settings for which data sets may have defaults of their own."""

from __future__ import annotations

from typing import Any

from harness.api import Dataset
from harness.errors import UsageError, unknown_name
from harness.trials.settings import SETTINGS, Settings, find


def settings_of_data(settings: Settings, dataset: Dataset) -> dict[str, Any]:
    """Those settings, by name: as asked for, else as in the data set, else the usual ones.

    Raises UsageError for a default of the data set that is none.
    """
    of_data = [name for name, setting in SETTINGS.items() if setting.of_data]
    said: dict[str, Any] = {}
    for name, value in dataset.defaults.items():
        setting, where = find(name), f"data set {dataset.name!r}, in its defaults: {name}"
        if setting is None or not setting.of_data:
            raise UsageError(f"{where} is no setting that it may have: {unknown_name('setting', name, of_data)}")
        said[setting.name] = setting.read(value, where)
    for name in of_data:
        asked = getattr(settings, name)
        said[name] = asked if asked not in (None, "auto") else said.get(name, SETTINGS[name].usual)
    return said
