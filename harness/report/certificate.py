"""A certificate in words that an engineer uses: one screen for a terminal, and the same lines for the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.certifying.certificate import Certificate, plain
from harness.certifying.checking import Checked
from harness.printable import printable
from harness.report.wrapping import in_columns
from harness.verdicts.naming import short_titles

Said = Mapping[str, Any]
"""A part of a certificate as JSON has it."""
_MARGIN = 19
_TOLD_BY = {
    "pixels": "",
    "fingerprint": "which of them it knows was told by the data that it was fitted on, for it is of an older harness",
    "nothing": "the model is of an older harness and does not say which photos it knows: all are taken for new to it",
}
_GROUPS = {"calibration": "calibration", "unseen": "unseen", "today": "today's"}


def screen(certificate: Certificate) -> str:
    """For a terminal: a heading, then a line a fact."""
    lines = (f"{printable(f'{word:<{_MARGIN}}{text}')}\n" for word, text in lines_of(certificate))
    return in_columns(f"{printable(heading_of(certificate))}\n", 0) + in_columns("".join(lines), _MARGIN)


def heading_of(certificate: Certificate) -> str:
    """Which model, and on how many photos."""
    found = plain(certificate.found)
    model, photos = found["model"], found["photos"]
    photos_said = f"{photos['unseen']} good photos that it had never seen"
    return f"{method_of(certificate)} ({model['category']}), judged by {photos_said}"


def method_of(certificate: Certificate) -> str:
    """The short name of its method: `patchcore · effnet_lite0`."""
    model = plain(certificate.found)["model"]
    parts = tuple(model["parts"])
    title = short_titles([parts])[parts]
    return f"{title} (random weights)" if model["weights"] == "random" else title


def lines_of(certificate: Certificate) -> list[tuple[str, str]]:
    """What the certificate says, each line under its word."""
    found, measured = plain(certificate.found), plain(certificate.measured)
    held = found["guarantee"]
    said = [
        *_smallest(found["smallest"], certificate.asked.sizes),
        *_broken(found["breaks"]),
        ("false alarms", _errors(held["false_alarms"], "good parts") + _promise(held)),
        ("today", _errors(held["false_alarms_today"], "good parts") if held["false_alarms_today"] else ""),
        ("misses", _errors(held["misses"], "bad parts") if held["misses"] else _no_bad(found["photos"])),
        ("chosen", _chosen(found["model"], held)),
        ("one distribution", "; ".join(_compared(one) for one in held["compared"])),
        ("cost", "; ".join(_cost(one) for one in measured["cost"]) or "not measured"),
        ("photos", "; ".join(filter(None, [_left_out(found["photos"]), _TOLD_BY[found["photos"]["told_by"]]]))),
        ("model", "; ".join(found["model"]["remarks"])),
    ]
    return [(word, text) for word, text in said if text]


def check_lines(checked: Checked) -> list[str]:
    """What came of computing a certificate again."""
    verdict = "equal: every finding came out again" if checked.equal else "differs"
    changed = f"not what they were: {', '.join(checked.changed)}" if checked.changed else ""
    same = "" if checked.changed else "photos, model, weights, code and machine are what they were"
    return [printable(one) for one in (verdict, *checked.differences, changed or same)]


def size_in_words(rung: Said, sizes: Sequence[float]) -> str:
    """`5.1 % of the side (3 to 8)`, with where the ladder ends."""
    curve = rung["curve"]
    largest = max(sizes)
    if curve["size"] is None:
        share = rung["found"][-1] / rung["of"]
        return f"not up to {share_of(largest)} % ({share_of(share)} % found)"
    high = f"more than {share_of(largest)}" if curve["high"] is None else share_of(curve["high"])
    least, low = (" or less" if one <= min(sizes) else "" for one in (curve["size"], curve["low"]))
    return f"{share_of(curve['size'])} %{least} ({share_of(curve['low'])}{low} to {high})"


def share_of(value: float) -> str:
    """Percent by two digits: `5.1`, `12`, `100`."""
    return f"{100 * value:.0f}" if value >= 0.0995 else f"{100 * value:.2g}"


def milliseconds(value: float) -> str:
    """By three digits: `4.57`, `45.7`, `1746`."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def doubling_in_words(doubled: Said, of: int) -> str:
    """`from 10 % brighter or darker (1 to 9 of 20, p = .008)`."""
    p = f"{doubled['p']:.3f}".lstrip("0") if doubled["p"] >= 0.001 else "< .001"
    amount = doubled["amount"] or f"severity {doubled['severity']}"
    equals = "" if p.startswith("<") else "= "
    return f"from {amount} ({doubled['before']} to {doubled['after']} of {of}, p {equals}{p})"


def _smallest(rungs: Sequence[Said], sizes: Sequence[float]) -> Iterator[tuple[str, str]]:
    yield "smallest found", "nine in ten are found from this size on, in percent of the photo's side (95 %):"
    for defect in dict.fromkeys(rung["defect"] for rung in rungs):
        some = sorted((rung for rung in rungs if rung["defect"] == defect), key=lambda rung: -float(rung["contrast"]))
        yield (
            f"  {defect}",
            "; ".join(f"{size_in_words(rung, sizes)} at contrast {rung['contrast']:g}" for rung in some),
        )


def _broken(breaks: Said) -> Iterator[tuple[str, str]]:
    yield (
        "what breaks it",
        f"errors double on {breaks['normal']} good and {breaks['bad']} {breaks['bad_are']} bad photos:",
    )
    stands = []
    for one in breaks["corruptions"]:
        doubled = [
            f"{what} {doubling_in_words(one[f'{key}_double'], breaks[of])}"
            for what, key, of in (("false alarms", "false_alarms", "normal"), ("misses", "misses", "bad"))
            if one[f"{key}_double"]
        ]
        if doubled:
            yield f"  {one['corruption']}", "; ".join(doubled)
        else:
            stands.append(f"{one['corruption']} (up to {one['amounts'][-1]})")
    yield "it stands", ", ".join(stands)


def _errors(errors: Said, what: str) -> str:
    bound = f"at most {share_of(errors['at_most'])} % with 95 % confidence"
    return f"{errors['wrong']} of {errors['of']} {what}, {bound}"


def _promise(held: Said) -> str:
    if held["promised"] is not None:
        most = held["promised_at_most"]
        bound = "" if most is None else f", at most {share_of(most)} %"
        return (
            f"; by its {held['calibration']} calibration photos the limit ({held['threshold']}) promises "
            f"{share_of(held['promised'])} % on average{bound}"
        )
    if not held["unfitted"]:
        return "; the limit rests on photos that were fitted, so that it promises nothing (--calibrate crossfit does)"
    return f"; threshold {held['threshold']} promises no rate (conformal and tolerance do)"


def _no_bad(photos: Said) -> str:
    return "no new bad photos were given" if photos.get("bad_left_out") else "no bad photos were given"


def _chosen(model: Said, held: Said) -> str:
    """What it does to the promise that the photos which set the limit have chosen the detector too."""
    if not (chosen := model.get("chosen")):
        return ""
    among = f"from {chosen['among']} detectors" if chosen["among"] > 1 else "with its pool"
    photos = "calibration photos, with defects painted onto some," if chosen["painted"] else "calibration photos"
    said = f"harness recommend chose it {among} by the same {photos}, which favours one whose limit is low"
    if held.get("by_rank") is not None:
        by_rank, promised = share_of(held["by_rank"]), share_of(held["promised"])
        said += f": by its rank alone the limit would promise {by_rank} %, and with the choice counted in {promised} %"
    return f"{said}; the photos of this certificate chose nothing, so its own bounds hold as they stand"


def _compared(one: Said) -> str:
    pair = f"{_GROUPS[one['first']]} and {_GROUPS[one['second']]} photos"
    p = f"p = {one['p_holm']:.2g}"
    if one["p_holm"] < 0.05:
        return f"{pair} differ ({p}): what the limit promises does not hold for both"
    return f"{pair}: no difference shown ({p})"


def _cost(one: Said) -> str:
    if one["problem"]:
        return f"{one['engine']}: {one['problem']}"
    times = ", ".join(f"{name} {milliseconds(one[f'{name}_ms'])}" for name in ("p50", "p95", "p99"))
    return f"{one['engine']} {times} ms, {one['peak_mb']:.0f} MB"


def _left_out(photos: Said) -> str:
    known, chose = photos["left_out"], photos.get("bad_left_out", 0)
    said = [
        f"{known} that the model knows were left out" if known else "",
        f"{chose} bad ones that the detector was chosen by were left out" if chose else "",
    ]
    return "; ".join(filter(None, said))
