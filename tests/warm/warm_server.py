"""The process that warm_python.py and multiprocessing ask for processes: it imports what a run imports, and forks."""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import multiprocessing
import os
import pkgutil
import runpy
import shutil
import signal
import socket
import sys
import tempfile
import threading
from contextlib import suppress
from importlib.metadata import entry_points
from multiprocessing import forkserver, util
from pathlib import Path
from types import ModuleType
from typing import Any

IMPORTED = ("torch", "torchvision", "timm", "scipy.stats", "sklearn.neighbors", "PIL.Image", "rich.progress", "jinja2")
"""What a run imports when it gets there; entry points and commands are found."""
MOST_DESCRIPTORS = 256
"""More are not open in the first process."""


def serve(control: socket.socket) -> None:
    """Fork a process for each request, until nobody can ask any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the tests, which end this
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # and nobody waits for those that wait for the others
    nests = tempfile.mkdtemp(prefix="warm")
    while True:
        asked, descriptors, _, _ = socket.recv_fds(control, 1 << 20, 4)
        while asked and not asked.endswith(b"\n"):
            asked += control.recv(1 << 20)
        if not asked:
            shutil.rmtree(nests)
            return
        if os.fork() == 0:
            _watch({**json.loads(asked), "nests": nests}, *descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)


def _watch(asked: dict[str, Any], stdin: int, stdout: int, stderr: int, told: int) -> None:
    """Fork the process that was asked for, tell its pid, and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        for stream, descriptor in enumerate((stdin, stdout, stderr)):
            os.dup2(descriptor, stream)
        os.closerange(3, MOST_DESCRIPTORS)
        _become(asked)
        return
    for descriptor in (stdin, stdout, stderr):
        os.close(descriptor)
    os.write(told, f"{child}\n".encode())
    _, status, usage = os.wait4(child, 0)
    try:
        os.write(told, f"{status} {usage.ru_utime + usage.ru_stime}\n".encode())
    finally:
        os._exit(0)


def _become(asked: dict[str, Any]) -> None:
    if asked["new_session"]:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=stream is sys.stderr or stream.isatty())
    _fork_workers_too(asked["nests"])
    code = 0
    try:
        _run(asked["words"], asked["folder"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except Exception:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody reads it any more
            stream.flush()
    os._exit(code)  # taking torch apart would take as long as many a test


def _fork_workers_too(folder: str) -> None:
    """Let multiprocessing's workers be forked by a process that has all imports and no threads, where it would start one."""

    def forked(path: bytes, words: list[str], passed: list[int]) -> int:
        if pid := os.fork():
            return pid
        for descriptor in set(range(3, MOST_DESCRIPTORS)) - set(passed):
            with suppress(OSError):
                os.close(descriptor)
        try:
            exec(words[-1], {})
        finally:
            os._exit(0)

    multiprocessing.current_process()._config["tempdir"] = folder  # what is killed leaves its socket there
    started, util.spawnv_passfds = util.spawnv_passfds, forked
    try:
        forkserver.ensure_running()
    finally:
        util.spawnv_passfds = started
    contexts = multiprocessing.get_context
    multiprocessing.get_context = lambda method=None: contexts("forkserver" if method == "spawn" else method)


def _run(words: list[str], folder: str) -> None:
    """As `python WORDS` does."""
    kind, *words = words
    sys.path.pop(0)  # this file's folder
    if kind == "-c":
        main = sys.modules["__main__"] = ModuleType("__main__")
        sys.argv = ["-c", *words[1:]]
        sys.path.insert(0, "")
        exec(compile(words[0], "<string>", "exec"), vars(main))
    elif kind == "-m":
        sys.argv = words
        sys.path.insert(0, folder)
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [kind, *words]
        sys.path.insert(0, str(Path(kind).absolute().parent))
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    for name in IMPORTED:
        importlib.import_module(name)
    commands = importlib.import_module("harness.commands")
    for command in pkgutil.iter_modules(commands.__path__):
        importlib.import_module(f"harness.commands.{command.name}")
    for plugin in entry_points(group="anomaly_harness"):
        plugin.load()
    gc.collect()
    gc.freeze()  # so that a collection in a copy touches, and so copies, nothing of this
    control = socket.socket(fileno=int(sys.argv[1]))
    if os.fork() == 0:
        if os.fork() == 0:  # its parent, which is another fork server, is not to hear of its end
            serve(control)
        os._exit(0)
    os.wait()
    control.close()
    exec(sys.argv[2])
