"""Processes that tests fork from a warm one do what processes of their own do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import warm_python

SAID = "import os, sys; print(sys.argv, os.getcwd(), os.environ['SAID'], sys.stdin.read(), __name__)"


@pytest.mark.parametrize(
    "code",
    [
        SAID,
        "import sys; sys.exit(3)",
        "import sys; sys.exit('a reason')",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import atexit; atexit.register(print, 'at the end')",
        "import threading; threading.Timer(0.1, print, ['by a thread']).start()",
        "import os; os.write(1, b'by descriptor\\n')",
        "import signal; print(signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGCHLD))",
    ],
)
@pytest.mark.parametrize("kind", ["-c", "a script"])
def test_it_says_and_ends_as_a_process_of_its_own_does(code: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(code)
    words = [sys.executable, *(["-c", code] if kind == "-c" else ["script.py"]), "one", "two"]
    how: dict[str, Any] = {"cwd": tmp_path, "env": {**os.environ, "SAID": "x"}, "input": "given", "text": True}
    mine, theirs = (run(words, capture_output=True, **how) for run in (warm_python.run, subprocess.run))
    assert (mine.returncode, mine.stdout, mine.stderr) == (theirs.returncode, theirs.stdout, theirs.stderr)


def test_an_error_is_a_traceback_and_1() -> None:
    done = warm_python.run([sys.executable, "-c", "1 / 0"], capture_output=True, text=True)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "ZeroDivisionError: division by zero")
    with pytest.raises(subprocess.CalledProcessError):
        warm_python.run([sys.executable, "-c", "1 / 0"], capture_output=True, check=True)


def test_it_is_waited_for_signalled_and_has_a_session_where_that_is_asked_for() -> None:
    code = "import os, time; print(os.getsid(0) == os.getpid(), flush=True); time.sleep(600)"
    for alone in (True, False):
        process = warm_python.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=alone
        )
        assert process.stdout is not None
        assert process.stdout.readline() == f"{alone}\n"
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.send_signal(signal.SIGTERM)
        process.communicate()
        assert process.returncode == -signal.SIGTERM


def test_where_a_variable_differs_that_is_read_once_the_process_is_a_fresh_one(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [sys.executable, "-c", "import os, sys; print('torch' in sys.modules, os.environ['OMP_NUM_THREADS'])"]
    for count in ("64", "63"):
        done = warm_python.run(words, env={**os.environ, "OMP_NUM_THREADS": count}, capture_output=True, text=True)
        assert done.stdout == f"False {count}\n"
    monkeypatch.setenv("OMP_NUM_THREADS", "62")
    assert warm_python.run(words, capture_output=True, text=True).stdout == "False 62\n"
    monkeypatch.undo()
    others = {name: value for name, value in os.environ.items() if not name.startswith(warm_python.READ_WHEN_LOADED)}
    warm = warm_python.run(
        [sys.executable, "-c", "import sys; print('torch' in sys.modules)"],
        env={**others, **warm_python.read_when_loaded},
        capture_output=True,
    )
    assert warm.stdout == b"True\n"
