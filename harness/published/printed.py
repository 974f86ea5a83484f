"""Numbers as tables print them, and the values that would be printed so. All arithmetic is exact."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

_NUMBER = re.compile(r"-?([0-9]{1,4}(\.[0-9]{0,20})?|\.[0-9]{1,20})")
_FINEST = Fraction(1, 10**6)  # finer digits are noise of float32; no test set is large enough to need them


@dataclass(frozen=True)
class Printed:
    """A number between 0 and 1 as a table shows it; a table in percent has been divided by 100."""

    text: str
    value: Fraction
    unit: Fraction
    """One step of the last digit, on the same scale from 0 to 1."""
    scale: int = 1
    """100 in a table in percent."""

    @property
    def low(self) -> Fraction:
        """The lowest value that is printed so, if half a unit is rounded up."""
        return self.value - self.unit / 2

    @property
    def high(self) -> Fraction:
        """Values below this are printed so, if up to a whole unit is cut off."""
        return self.value + self.unit

    def admits(self, exact: Fraction) -> bool:
        """Whether this value can be printed so, by rounding (halves either way) or by cutting off."""
        return self.low <= exact < self.high or (exact == self.high and self._high_is_cut)

    @property
    def _high_is_cut(self) -> bool:
        """Whether even `high` is printed so: 0.29 is cut to 0.28, since 0.29 * 100 is 28.999999999999996 in floats."""
        steps = int(1 / self.unit)
        return int(float(self.high) * steps) < self.high * steps

    def show(self, exact: Fraction) -> str:
        """An exact value in the form of this number, with one more digit."""
        digits = len(str((self.unit * self.scale).denominator))
        return f"{float(exact * self.scale):.{digits}f}"

    def counts(self, total: int) -> range:
        """The counts k for which k/total is printed so; empty if there is none."""
        first, beyond = math.ceil(self.low * total), math.ceil(self.high * total)
        if beyond == self.high * total and self._high_is_cut:
            beyond += 1
        return range(max(0, first), min(total + 1, beyond))


def read_number(text: str, digits: int | None = None, scale: int = 1) -> Printed:
    """A number out of a table that prints `digits` decimals and may drop zeros: then `1` means 1.00.

    Raises ValueError, saying what was expected, for anything but plain digits from 0 to `scale`.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError("the number alone, and scale = 100 once" if text.endswith("%") else "digits such as 0.83")
    value = Fraction(text) / scale
    if not 0 <= value <= 1:
        percent = " (a table in percent says scale = 100)" if scale == 1 and 1 < value <= 100 else ""
        raise ValueError(f"a number from 0 to {scale}{percent}")
    decimals = max(len(text.partition(".")[2]), digits or 0)
    return Printed(text, value, max(Fraction(1, 10**decimals * scale), _FINEST), scale)
