"""Throws changed copies of real inputs at one of our readers, which may refuse them with a HarnessError and no other way.

    python tests/fuzz/fuzz.py image --inputs 100000 --seed 0

Ends with 1 and keeps the input where a reader raises anything else, says more than a line, or takes longer than the limit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from targets import TARGETS, Target

from harness import HarnessError
from harness.trials import hardware

LIMIT_S = 5.0
"""Of the processor, for one input; most take less than a thousandth of that. Who waits is ended by the test's limit."""
MEMORY_BYTES = 3 << 30
"""Of address space, so that an input which asks for all memory is an error here and not the machine's end."""


class SlowError(BaseException):
    """No reader may catch it."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def fault_of(target: Target, data: bytes, path: Path) -> tuple[str, bool]:
    """What is wrong with how the target takes one input, empty where nothing is; and whether it was accepted."""
    path.write_bytes(data)
    try:
        with limited(LIMIT_S):
            target.read(path)
    except HarnessError as error:
        text = str(error)
        return ("" if text and text.isprintable() and len(text) < 2000 + 8 * len(data) else f"it says {text!r}"), False
    except SlowError:
        return f"it takes longer than {LIMIT_S:g} s", False
    except Exception as error:
        return f"{type(error).__name__}: {error}", False
    return "", True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for inputs that are taken badly")
    parser.add_argument("--replay", type=Path, nargs="*", help="these inputs instead of new ones")
    given = parser.parse_args()
    signal.signal(signal.SIGPROF, _slow)
    target = TARGETS[given.target]()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    mutator = target.mutator(given.seed)
    inputs = (file.read_bytes() for file in given.replay) if given.replay else (mutator() for _ in range(given.inputs))
    tried = accepted = 0
    faults: dict[str, str] = {}
    begun = time.perf_counter()
    in_memory = Path("/dev/shm")  # writing to a disk takes longer than most readers do
    with tempfile.TemporaryDirectory(dir=in_memory if in_memory.is_dir() else None) as folder:
        path = Path(folder) / f"input{target.suffix}"
        for data in inputs:
            tried += 1
            fault, good = fault_of(target, data, path)
            accepted += good
            if fault and len(faults) < 20 and fault not in faults.values():
                name = hashlib.sha256(data).hexdigest()[:12]
                faults[name] = fault
                if given.keep:
                    given.keep.mkdir(parents=True, exist_ok=True)
                    (given.keep / name).write_bytes(data)
    said = {
        "target": given.target,
        "seed": given.seed,
        "inputs": tried,
        "accepted": accepted,
        "seconds": round(time.perf_counter() - begun, 1),
        "megabytes": hardware.peak_bytes() >> 20,
        "faults": faults,
    }
    print(json.dumps(said))
    return 1 if faults else 0


def _slow(number: int, frame: object) -> None:
    raise SlowError


if __name__ == "__main__":
    sys.exit(main())
