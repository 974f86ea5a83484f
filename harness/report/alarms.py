"""False alarms and misses as people on a line count them: shares with their intervals, and parts of a day."""

from __future__ import annotations

from statistics import fmean

from harness.api import Counts
from harness.metrics.intervals import mean_with_interval
from harness.plugin.spec import parse
from harness.verdicts.rows import BoardRow

FALSE_ALARMS, MISSES = "false alarms", "misses"
NOTE = "False alarms: normal images called anomalous; misses: defective ones called normal; in brackets 95 %."
FLOOR_RATES = {"all anomalous": ("100 %", "0 %"), "all normal": ("0 %", "100 %")}
"""Of constant answers."""
PARTS = 10_000
"""Of a day, where nobody says how many there are."""


def false_alarms(line: BoardRow) -> str:
    """`12 % (5 to 24)`: the share of normal images called anomalous, with its interval."""
    return _share(line, normal=True)


def misses(line: BoardRow) -> str:
    """`0 % (0 to 16)`: the share of defective images called normal, with its interval."""
    return _share(line, normal=False)


def rate_with_interval(line: BoardRow, *, normal: bool) -> tuple[float, float, float] | None:
    """The share of normal images called anomalous, or of defective ones called normal, with its bounds at 95 %.

    Seeds judge the same images, so that their mean has the interval of one; categories have images of their own. None
    where there are no such images.
    """
    rates = []
    for part in line.parts or [line]:
        counts = [verdict.counts for verdict in part.verdicts if verdict.counts]
        wrong = [_wrong(one, normal=normal) for one in counts]
        if not wrong or not wrong[0][1]:
            return None
        rates.append((fmean(k for k, _ in wrong), wrong[0][1]))
    return mean_with_interval(rates)


def _share(line: BoardRow, *, normal: bool) -> str:
    found = rate_with_interval(line, normal=normal)
    return "" if found is None else f"{percent(found[0])} % ({percent(found[1])} to {percent(found[2])})"


def _wrong(counts: Counts, *, normal: bool) -> tuple[int, int]:
    if normal:
        return counts.n_normal - counts.right_normal, counts.n_normal
    return counts.n_abnormal - counts.right_abnormal, counts.n_abnormal


def percent(share: float) -> str:
    """`12`, and `0.4` below one: a share in per cent."""
    value = 100 * share
    return f"{value:.1f}" if 0.05 <= value < 0.95 or 99.05 < value < 99.95 else f"{value:.0f}"


def defect_rate_of(metric: str) -> float | None:
    """The defect rate that a metric is asked for at, as in `precision[defect_rate=0.002]`; None for another one."""
    name, options = parse(metric)
    return float(options["defect_rate"]) if name == "precision" and "defect_rate" in options else None


def of_a_day(false_alarm_rate: float, miss_rate: float, defect_rate: float, parts: int = PARTS) -> str:
    """What two rates mean for a day's parts where this share of them is defective."""
    defective = parts * defect_rate
    good = parts - defective
    found, alarms = defective * (1 - miss_rate), good * false_alarm_rate
    right = f"{percent(found / (found + alarms))} % of its alarms are right" if found + alarms else "it gives no alarm"
    return (
        f"of {parts:,} parts a day {_count(defective)} are defective, {_count(found)} of which it finds; "
        f"{_count(alarms)} of the {_count(good)} good ones give a false alarm: {right}"
    )


def _count(parts: float) -> str:
    return f"{parts:,.0f}" if parts >= 9.5 or parts == round(parts) else f"{parts:.1f}"
