"""What has changed between a stored trial and now, by their records."""

from __future__ import annotations

from harness.trials.record import Record
from harness.verdicts.reproduction import Change, changes


def test_versions_machine_plugins_code_and_open_options_are_compared_by_name() -> None:
    then = Record(
        versions={"torch": "2.4", "numpy": "2.0"}, machine={"cpu": "old", "cores": 2}, plugins={"model": "x 1.0"},
        code={"harness": "aaaa"}, resolved={"bottleneck": "none"}, threads=1, fit_seconds=1.0,
    )  # fmt: skip
    now = Record(
        versions={"torch": "2.5", "numpy": "2.0"}, machine={"cpu": "new", "cores": 2}, plugins={"model": "x 1.1"},
        code={"harness": "bbbb"}, resolved={"bottleneck": "dense"}, threads=2, fit_seconds=9.0,
    )  # fmt: skip
    assert list(changes(then, now)) == [
        Change("version of torch", "2.4", "2.5"),
        Change("machine's cpu", "old", "new"),
        Change("plugin of the model", "x 1.0", "x 1.1"),
        Change("code of harness", "aaaa", "bbbb"),
        Change("option bottleneck", "none", "dense"),
        Change("threads", "1", "2"),
    ]
    assert list(changes(then, then)) == []


def test_a_package_that_is_gone_or_new_is_a_change_and_code_that_only_one_side_could_read_is_none() -> None:
    then = Record(versions={"torch": "2.4", "timm": "1.0"}, code={"harness": "aaaa", "mine": "cccc"})
    now = Record(versions={"torch": "2.4", "scipy": "1.12"}, code={"harness": "aaaa", "yours": "dddd"})
    assert list(changes(then, now)) == [Change("version of scipy", "", "1.12"), Change("version of timm", "1.0", "")]


def test_what_one_record_does_not_know_is_not_called_a_change() -> None:
    known = Record(versions={"torch": "2.4"}, machine={"cpu": "old"}, threads=1)
    assert list(changes(known, Record())) == list(changes(Record(), known)) == []
