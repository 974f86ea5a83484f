"""Nobody's machine is asked for anything unless the person asks: neither by an import, nor by a run, nor when offline."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

GUARD = """
import os, socket, sys

def refuse(event, arguments):
    outward = event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        outward = arguments[0].family != socket.AF_UNIX  # how processes of one machine may speak to each other
    if outward:
        with open(os.environ["NETWORK_LOG"], "a") as log:
            log.write(f"{event} {arguments[1:] or arguments}\\n")
        raise OSError(f"{event} in a test that allows no network")

sys.addaudithook(refuse)
"""
IMPORTS = """
import importlib, importlib.metadata, pkgutil
for name in ("harness", *(entry.module for entry in importlib.metadata.entry_points(group="anomaly_harness"))):
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        if not module.name.endswith("__main__"):
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as missing:
                print(f"{module.name} needs {missing.name}")
"""


@dataclass(frozen=True)
class Guarded:
    """Python processes whose every step towards a network is written down and refused; so are their children's."""

    folder: Path

    def __call__(self, *words: str, expect: int = 0, **environ: str) -> str:
        (self.folder / "sitecustomize.py").write_text(GUARD)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HARNESS_OFF"))}
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env={
                **inherited,
                "PYTHONPATH": str(self.folder),
                "NETWORK_LOG": str(self.folder / "network.log"),
                "HF_HOME": str(self.folder / "hub"),
                "OMP_NUM_THREADS": "1",
                **environ,
            },
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == expect, done.stderr
        return done.stdout + done.stderr

    @property
    def asked(self) -> str:
        """What was asked of the network so far."""
        log = self.folder / "network.log"
        return log.read_text() if log.exists() else ""


@pytest.fixture
def guarded(tmp_path: Path) -> Guarded:
    return Guarded(tmp_path)


def test_the_guard_sees_a_process_that_asks_and_its_child(guarded: Guarded) -> None:
    ask = "import urllib.request as r; r.urlopen('http://127.0.0.1:9')"
    guarded("-c", ask, expect=1)
    first = guarded.asked
    assert "socket." in first
    guarded("-c", f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {ask!r}]))", expect=1)
    assert len(guarded.asked) > len(first)


def test_importing_every_module_asks_no_network(guarded: Guarded) -> None:
    lacking = guarded("-c", IMPORTS)
    assert not guarded.asked
    assert "harness" not in lacking


@pytest.mark.slow
def test_the_demo_asks_no_network(guarded: Guarded) -> None:
    words = "-m harness run --models dae,cae --encoders all --losses mse --categories tile --epochs 1 --jobs 2"
    words += " --image-size 64 --batch-size 8 --dataset synthetic[n_train=8,n_test_good=2,n_test_defective=2]"  # in less time
    said = guarded(*words.split(), HARNESS_CACHE=str(guarded.folder / "cache"))
    assert "6 fitted" in said
    assert not guarded.asked


RUN = "-m harness run --categories tile --weights pretrained --jobs 1 --device cpu --epochs 1 --image-size 64"


def test_offline_means_that_no_hub_is_asked_for_any_weights(guarded: Guarded) -> None:
    encoders = "conv,vgg16,resnet50,timm[name=test_resnet.r160_in1k]"
    words = [*RUN.split(), "--models", "dae,padim", "--encoders", encoders, "--losses", "perceptual"]
    said = guarded(*words, expect=3, HARNESS_OFFLINE="1")
    assert "1 fitted, 0 already there, 7 skipped or failed" in said, "padim with conv needs no weights"
    for weights in ("vgg16.tv_in1k", "resnet50.tv_in1k", "test_resnet.r160_in1k"):
        assert f"timm/{weights} is not in the hub's cache" in said
    assert not guarded.asked


def test_without_it_the_hub_is_asked_which_the_guard_would_see(guarded: Guarded) -> None:
    said = guarded(*RUN.split(), "--models", "padim", "--encoders", "resnet50", expect=3)
    assert "timm's hub did not answer" in said
    assert guarded.asked
