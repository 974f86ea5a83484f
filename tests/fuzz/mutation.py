"""Changed copies of real inputs: some with fields replaced, some with bytes, most with both; the same for the same seed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

_WORD = re.compile(rb"[\w.+-]+")
_EXTREMES = (b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0")


@dataclass
class Mutator:
    """Makes inputs from `seeds`, whose words it exchanges for `words`; `mend` repairs checksums in every other one."""

    seeds: Sequence[bytes]
    words: Sequence[bytes]
    seed: int
    mend: Callable[[bytes, random.Random], bytes] | None = None
    longest: int = 4000
    _random: random.Random = field(init=False, repr=False)
    _spans: list[list[tuple[int, int]]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._spans = [[found.span() for found in _WORD.finditer(seed)] for seed in self.seeds]

    def __call__(self) -> bytes:
        """The next input."""
        rng = self._random
        at = rng.randrange(len(self.seeds))
        data = bytearray(self.seeds[at])
        for start, stop in sorted(self._some(self._spans[at], rng), reverse=True):
            data[start:stop] = rng.choice(self.words)
        for _ in range(rng.choice((0, 1, 1, 2, 4))):
            self._damage(data, rng)
        changed = bytes(data[: self.longest])
        return self.mend(changed, rng) if self.mend and rng.random() < 0.5 else changed

    def _some(self, spans: list[tuple[int, int]], rng: random.Random) -> list[tuple[int, int]]:
        """A few different words, often none."""
        wanted = min(rng.choice((0, 0, 1, 1, 2, 3)), len(spans)) if self.words else 0
        return rng.sample(spans, wanted)

    def _damage(self, data: bytearray, rng: random.Random) -> None:
        start = rng.randrange(len(data) + 1)
        stop = min(len(data), start + rng.choice((0, 1, 1, 2, 4, 16, 200)))
        kind = rng.randrange(8)
        if kind == 0:
            data[start : start + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            extreme = rng.choice(_EXTREMES)
            data[start : start + len(extreme)] = extreme
        elif kind == 2:
            del data[start:stop]
        elif kind == 3:
            data[start:start] = data[start:stop] * rng.choice((1, 1, 2, 30))
        elif kind == 4:
            data[start:stop] = rng.choice(self.words or _EXTREMES)
        elif kind == 5:
            other = rng.choice(self.seeds)
            cut = rng.randrange(len(other) + 1)
            data[start:] = other[cut:]
        elif kind == 6:
            data[start:start] = rng.randbytes(rng.randrange(1, 9))
        elif data and rng.random() < 0.2:
            del data[start:]
