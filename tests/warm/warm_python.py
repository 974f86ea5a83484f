"""Python processes that have their imports behind them: forked from one that has imported what a run imports.

A start takes some milliseconds of the processor instead of one to four seconds. Each is a process of its own: pid,
environment, folder, streams, signals and exit code are those of any other. But what Python or a library decides while it
is loaded (the modules that are there, PYTHON*, OMP_NUM_THREADS ...) is as in the first process, so that tests of
starts, imports, memory and threads use `subprocess`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import select
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import forkserver, resource_tracker, util
from multiprocessing.context import BaseContext, ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

READ_WHEN_LOADED = ("PYTHON", "OMP_", "MKL_", "OPENBLAS_", "LD_", "HF_", "TORCH", "CUDA")
"""How variables begin that Python and libraries read once, when they are loaded."""
SERVER = Path(__file__).with_name("warm_server.py")


class _Server:
    """The first process. It is started when it is needed, and ends when the tests do."""

    def __init__(self) -> None:
        self.control: socket.socket | None = None
        self.environ = _read_when_loaded(os.environ)
        """As it was when the tests were loaded: a test that comes first may have changed it for itself."""

    def start(self) -> None:
        """One process that forks for this module, and is the fork server of multiprocessing here."""
        resource_tracker.ensure_running()
        multiprocessing.set_forkserver_preload([])  # the server imports what is needed
        self.control, theirs = socket.socketpair()
        spawned = util.spawnv_passfds

        def served(path: bytes, words: list[str], descriptors: list[int]) -> int:
            server = [sys.executable, str(SERVER), str(theirs.fileno()), words[-1]]
            pid: int = spawned(path, server, (*descriptors, theirs.fileno()))
            return pid

        util.spawnv_passfds = served
        now = dict(os.environ)
        for name in _read_when_loaded(now):
            del os.environ[name]
        os.environ.update(self.environ)
        try:
            forkserver.ensure_running()
        finally:
            os.environ.clear()
            os.environ.update(now)
            util.spawnv_passfds = spawned
            theirs.close()

    def knows(self, environ: Mapping[str, str]) -> bool:
        """Whether what is read once is so in the server."""
        return self.environ == _read_when_loaded(environ)

    def ask(self, request: dict[str, Any], descriptors: list[int]) -> None:
        if self.control is None:
            self.start()
        assert self.control is not None
        line = json.dumps(request).encode() + b"\n"
        self.control.sendall(line[socket.send_fds(self.control, [line], descriptors) :])

    def stop(self) -> None:
        if self.control is not None:
            self.control.close()
            self.control = None


def _read_when_loaded(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(READ_WHEN_LOADED)}


spent: list[float] = []
"""Seconds of the processor that each process took which has ended."""
_server = _Server()
stop = _server.stop
read_when_loaded = _server.environ


class _Worker(ForkServerProcess):
    """A process of multiprocessing that has the environment which its parent had when it was started."""

    def start(self) -> None:
        self._environ = dict(os.environ)
        super().start()

    def run(self) -> None:
        os.environ.clear()
        os.environ.update(self._environ)
        super().run()


class _Workers(ForkServerContext):
    Process = _Worker


def get_context(method: str | None = None) -> BaseContext:
    """As multiprocessing.get_context, but that what it would spawn is forked by the first process where that may be."""
    if method != "spawn" or not _server.knows(os.environ):
        return multiprocessing.get_context(method)
    if _server.control is None:
        _server.start()
    return _Workers()


class Popen(subprocess.Popen):  # type: ignore[type-arg]
    """As in subprocess, for `[sys.executable, "-m" or "-c" or the path of a script, ...]`.

    Where a variable differs that is read once it is a process of subprocess: slow, and right.
    """

    def __init__(self, words: list[Any], **how: Any) -> None:
        environ = os.environ if how.get("env") is None else how["env"]
        self._forked = _server.knows({os.fsdecode(name): os.fsdecode(value) for name, value in environ.items()})
        super().__init__(words, **how)

    def _execute_child(
        self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell,
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, restore_signals, gid, gids, uid, umask,
        start_new_session, *others,
    ) -> None:  # fmt: skip
        if not self._forked:
            super()._execute_child(
                args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell,
                p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, restore_signals, gid, gids, uid, umask,
                start_new_session, *others,
            )  # fmt: skip
            return
        words = [os.fsdecode(word) for word in args]
        assert words.pop(0) == sys.executable, args
        assert not any((shell, executable, pass_fds, preexec_fn)), "use subprocess"
        environ = {
            os.fsdecode(name): os.fsdecode(value) for name, value in (os.environ if env is None else env).items()
        }
        request = {"words": words, "environ": environ, "folder": os.fspath(cwd or Path.cwd())}
        request["new_session"] = start_new_session
        streams = [given if given != -1 else own for own, given in enumerate((p2cread, c2pwrite, errwrite))]
        self._told, theirs = os.pipe()
        try:
            _server.ask(request, [*streams, theirs])
        finally:
            os.close(theirs)
            self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)
        self._saying = os.fdopen(self._told, encoding="ascii")
        self.pid = int(self._saying.readline())
        self._child_created = True

    def _internal_poll(self, _deadstate: int | None = None, **how: Any) -> int | None:
        if not self._forked:
            return super()._internal_poll(_deadstate, **how)
        with suppress(subprocess.TimeoutExpired):
            return self._wait(0)
        return None

    def _wait(self, timeout: float | None) -> int:
        if not self._forked:
            return super()._wait(timeout)
        if self.returncode is None:
            if not select.select([self._saying], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout)
            status, seconds = self._saying.readline().split()
            self.returncode = os.waitstatus_to_exitcode(int(status))
            spent.append(float(seconds))
            self._saying.close()
        return self.returncode


def run(words: list[Any], *, check: bool = False, timeout: float | None = None, **how: Any) -> Any:
    """As subprocess.run."""
    if how.pop("capture_output", False):
        how |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    given = how.pop("input", None)
    if given is not None:
        how["stdin"] = subprocess.PIPE
    with Popen(words, **how) as process:
        try:
            out, err = process.communicate(given, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(words, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done
