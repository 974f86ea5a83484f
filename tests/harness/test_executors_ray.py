"""Trials on a real Ray: one of this machine, and three nodes of which one is killed."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from harness import Images, Model, Progress, Split, UnavailableError, UsageError, hookimpl
from harness.plugin.registry import Registry
from harness.testing import checks_for
from harness.trials import provenance
from harness.trials.executors.serial import Serial
from harness.trials.grid import Cell
from harness.trials.observers import Observer
from harness.trials.provenance import makers
from harness.trials.remote import RemoteWorker, portable
from harness.trials.saved_model import ModelFolder, SavedModel, State, find, read, read_weights, write
from harness.trials.schedule import carry_out
from harness.trials.store import Store
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker, WorkerConfig
from harness_ray import cluster as ray_cluster
from harness_ray import executor, fleet
from harness_ray.cluster import Share, joined
from harness_ray.executor import Ray
from harness_ray.fleet import TRIES
from harness_ray.tasks import BEAT_S, Board, Wire, perform

TRIAL = Trial("dots", "large", "trained", "plain", "absolute", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")
FEW = "synthetic[n_train=16,n_test_good=4,n_test_defective=4]"
SMALL = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
Reported = list[tuple[Trial, Progress]]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A Ray cluster of this machine: a head with two CPUs, to which tests add nodes."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster as Nodes

    health = {"health_check_period_ms": 200, "health_check_timeout_ms": 1000, "health_check_failure_threshold": 3}
    started = Nodes(initialize_head=True, head_node_args={**SMALL, "num_cpus": 2, "_system_config": health})
    yield started
    started.shutdown()


@pytest.fixture(scope="module")
def connection(cluster: Any) -> Iterator[ExitStack]:
    """What keeps this process joined to the cluster; to close it is to leave."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def nodes(cluster: Any, connection: ExitStack, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The cluster, to which runs share a connection, and so workers that have their imports behind them.

    That a run joins and leaves by itself is tested by those that ask for `left`, and in test_run_ray.py.
    """
    import ray

    if not ray.is_initialized():
        connection.enter_context(joined(cluster.address))
    monkeypatch.setattr(executor, "joined", lambda address: nullcontext(ray))
    return cluster


@pytest.fixture
def left(cluster: Any, connection: ExitStack) -> Any:
    """The cluster, which each run joins by itself."""
    connection.close()
    return cluster


@pytest.fixture
def variant(dots_plugin: Path, tmp_path: Path) -> Callable[[str], Path]:
    """The dots plugin, with these lines run at the beginning of each fit of `trained`."""

    def write(lines: str) -> Path:
        file = tmp_path / "variant.py"
        text = "\n        ".join(["import os, time, signal", *lines.splitlines(), "assert encoder is not None"])
        file.write_text(dots_plugin.read_text().replace("assert encoder is not None", text))
        return file

    return write


def fly(nodes: Any, plugin: Path, trials: Any, **needs: float) -> tuple[dict[int, Outcome], Reported]:
    """Outcomes by seed, and what was reported meanwhile."""
    reported: Reported = []
    worker = Worker(WorkerConfig(plugin_files=(plugin,)), Registry.discover([plugin]))
    observer = Mock(progressed=lambda trial, progress: reported.append((trial, progress)))
    outcomes = list(Ray(nodes.address, **{"cpus": 1, **needs}).run(trials, worker, observer))
    assert len({outcome.trial for outcome in outcomes}) == len(outcomes)
    return {outcome.trial.seed: outcome for outcome in outcomes}, reported


def test_it_keeps_the_contract_of_executors(nodes: Any) -> None:
    """Here and not beside the other parts, where each check would start a Ray of its own."""
    for check in checks_for(Ray(nodes.address)):
        check(Ray(nodes.address))


def test_a_worker_that_dies_is_replaced_and_one_that_always_dies_is_an_error(
    nodes: Any, variant: Callable[[str], Path], tmp_path: Path
) -> None:
    diary = tmp_path / "diary"
    plugin = variant(f"""
with open({str(diary)!r}, "a") as file: file.write(f"{{run.seed}} ")
begun = open({str(diary)!r}).read().split().count(str(run.seed))
if run.seed == 1 or (run.seed == 2 and begun == 1): os.kill(os.getpid(), signal.SIGKILL)
if run.seed == 3: raise KeyboardInterrupt""")
    outcomes, _ = fly(nodes, plugin, [TRIAL._replace(seed=seed) for seed in range(5)])
    assert [outcomes[seed].status for seed in range(5)] == ["done", "error", "done", "error", "done"]
    assert outcomes[1].reason == "its worker died, perhaps for want of memory; begun 3 times"
    assert outcomes[1].fingerprint == outcomes[0].fingerprint != ""
    assert outcomes[3].reason.startswith("its worker could not run it: TaskCancelledError")
    begun = Counter(diary.read_text().split())
    assert (begun["1"], begun["2"], begun["3"], begun["0"]) == (TRIES, 2, 1, 1)


def test_workers_need_neither_the_data_nor_the_plugin_file_and_report_as_they_go(
    nodes: Any, variant: Callable[[str], Path], tmp_path: Path
) -> None:
    plugin = variant("for epoch in (1, 2): time.sleep(0.4); run.report(Progress(epoch, 2, 0.5, 3))")
    loading = f'import os; Path({str(tmp_path)!r}, f"load{{os.getpid()}}").touch()\n        if category == "broken":'
    plugin.write_text(plugin.read_text().replace('if category == "broken":', loading))

    def trials() -> Iterator[Trial]:
        yield TRIAL
        plugin.unlink()
        yield TRIAL._replace(seed=1)
        yield TRIAL._replace(seed=2)

    outcomes, reported = fly(nodes, plugin, trials())
    assert [outcome.status for outcome in outcomes.values()] == ["done"] * 3, outcomes[0].reason
    assert [file.name for file in tmp_path.glob("load*")] == [f"load{os.getpid()}"], "the data is loaded here alone"
    assert {trial.seed for trial, _ in reported} == {0, 1, 2}
    assert {(step.epoch, step.epochs, step.loss) for _, step in reported} >= {(1, 2, 0.5), (2, 2, 0.5)}


@pytest.mark.slow
def test_scores_are_those_of_a_local_run_to_the_last_bit_and_so_is_the_record(nodes: Any, dots_plugin: Path) -> None:
    dae = Trial(FEW, "bottle", "dae[widths=16-16-8-8]", "conv", "mse", 0, 32, 1, 8, 1e-3, 0.0, "fp32", "-")
    trials = [TRIAL, TRIAL._replace(category="small", model="mean_image"), dae, dae._replace(seed=1)]
    trials += [TRIAL._replace(model=f"trained[fail={fail}]", seed=1) for fail in ("nan", "weights", "bug", "score")]
    config = WorkerConfig(plugin_files=(dots_plugin,), threads=2)
    worker = Worker(config, Registry.discover([dots_plugin]))
    local = list(Serial().run(trials, worker, Observer()))
    there = Ray(nodes.address, cpus=1).run(trials, worker, Observer())
    by_trial = {outcome.trial: outcome for outcome in there}
    timed = {"fit_seconds", "score_seconds", "train_images_per_second"}
    timed |= {"threads", "code"}  # of torch, if the process has imported it yet; of files that somebody may be editing
    for mine in local:
        theirs = by_trial[mine.trial]
        assert (theirs.status, theirs.reason, theirs.id) == (mine.status, mine.reason, mine.id)
        assert {k: v for k, v in vars(theirs.record).items() if k not in timed} == {
            k: v for k, v in vars(mine.record).items() if k not in timed
        }
        assert (theirs.evidence is None) == (mine.evidence is None)
        for side in ("normal", "test") if mine.evidence else ():
            for pool, scores in getattr(mine.evidence, side).items():
                assert np.array_equal(getattr(theirs.evidence, side)[pool], scores), (mine.trial, pool)
    assert by_trial[dae].record.threads == 2, "and not as many as Ray has CPUs for it"
    assert [outcome.status for outcome in local] == ["done"] * 4 + ["error", "skipped", "error", "error"]


def test_a_plugin_that_a_worker_lacks_is_named_with_its_version(nodes: Any, dots_plugin: Path) -> None:
    class Glow(Model):
        name = "glow"

    class Acme:
        @staticmethod
        @hookimpl
        def harness_models() -> list[type[Model]]:
            return [Glow]

    Glow.__abstractmethods__ = frozenset()
    worker = Worker(WorkerConfig(plugin_files=(dots_plugin,)), Registry.discover([dots_plugin]))
    worker.registry.register(Acme, "glow", "acme-glow", "1.2")
    glow = TRIAL._replace(model="glow", encoder="-", loss="-")
    (outcome,) = Ray(nodes.address, cpus=1).run([glow], worker, Observer())
    assert outcome.status == "error"
    assert outcome.reason.startswith("model 'glow' is of acme-glow 1.2, and ")
    assert outcome.reason.endswith(" has nothing that offers it: install the same there")


def test_a_plugin_of_another_version_is_named_with_both_and_that_of_the_data_set_may_be_absent(
    dots_plugin: Path,
) -> None:
    worker = Worker(WorkerConfig(plugin_files=(dots_plugin,)), Registry.discover([dots_plugin]))
    split, setting, here = worker.split("dots", "large", 16), RemoteWorker.of(worker), makers(TRIAL, worker.registry)
    board = SimpleNamespace(pin=SimpleNamespace(remote=lambda trial, progress: None))
    wanted = here._replace(plugins={**here.plugins, "loss": "acme-losses 2.0"})
    other = perform(TRIAL, split, wanted, setting, board)
    assert other.outcome.reason.startswith(
        f"loss 'absolute' is of acme-losses 2.0, and {socket.gethostname()} has {dots_plugin.name} "
    )
    elsewhere = here._replace(
        plugins={**here.plugins, "dataset": "acme-images 3.1"},
        code={"harness": "0badc0de", "acme_images": "c0ffee00"},
    )
    done = perform(TRIAL, split, elsewhere, setting, board).outcome
    assert (done.status, done.record.plugins) == ("done", elsewhere.plugins)
    assert done.record.code == {**here.code, "acme_images": "c0ffee00"}, "what has run, and where the data is from"


def test_what_models_are_given_is_read_only_and_keeps_its_fingerprint(
    nodes: Any, variant: Callable[[str], Path]
) -> None:
    plugin = variant("if run.seed == 1: normal.pixels[0, 0] = 7")
    outcomes, _ = fly(nodes, plugin, [TRIAL, TRIAL._replace(seed=1)])
    assert outcomes[0].status == "done"
    assert outcomes[1].reason.startswith("ValueError: assignment destination is read-only (variant.py:")
    assert outcomes[0].fingerprint == outcomes[1].fingerprint


def test_a_memory_mapped_category_travels_as_plain_arrays(tmp_path: Path) -> None:
    pixels = np.memmap(tmp_path / "pixels", np.uint8, "w+", shape=(2, 4, 4, 3))
    pixels[:] = 5
    split = Split(Images(pixels, ("a", "b")), Images(pixels, ("c", "d")))
    moved = portable(split)
    assert type(moved.train.pixels) is type(moved.test.pixels) is np.ndarray
    assert np.shares_memory(moved.train.pixels, pixels)
    assert moved.__dict__["fingerprint"] == split.fingerprint


def test_a_trial_is_asked_for_only_when_it_can_start_soon(nodes: Any, dots_plugin: Path) -> None:
    asked: list[int] = []

    def trials() -> Iterator[Trial]:
        for seed in range(9):
            asked.append(seed)
            yield TRIAL._replace(seed=seed)

    worker = Worker(WorkerConfig(plugin_files=(dots_plugin,)), Registry.discover([dots_plugin]))
    ending = Ray(nodes.address, cpus=1).run(trials(), worker, Observer())
    next(ending)
    assert len(asked) == 3, "two that run, and one for whoever is ready first"
    ending.close()


def test_a_trial_too_large_for_any_machine_is_refused(nodes: Any, dots_plugin: Path) -> None:
    with pytest.raises(
        UsageError, match=r"a trial of 1 CPUs and 1 GPUs fits on no machine .* at most 2 CPUs and 0 GPUs"
    ):
        fly(nodes, dots_plugin, [TRIAL], gpus=1)


def test_the_code_of_a_plugin_file_is_known_where_the_file_is_not(dots_plugin: Path) -> None:
    digests = []
    for path in (dots_plugin, Path("/another/machine/dots.py")):
        Registry.discover({path: dots_plugin.read_bytes()})
        digests.append(provenance.code_of("harness_plugin_file_dots"))
    other = dots_plugin.read_bytes() + b"# edited"
    Registry.discover({dots_plugin: other})
    assert digests[0] == digests[1] != provenance.code_of("harness_plugin_file_dots") != ""


def test_a_model_that_is_kept_comes_back_to_where_the_store_is(nodes: Any, dots_plugin: Path, tmp_path: Path) -> None:
    trial = TRIAL._replace(model="mean_image", encoder="-", loss="-")
    registry = Registry.discover([dots_plugin])
    wrote: list[int] = []

    def save(saved: SavedModel, state: State, folder: Path) -> None:
        wrote.append(os.getpid())
        write(saved, state, folder)

    kept = {}
    for name in ("local", "ray", "nowhere"):
        config = WorkerConfig(plugin_files=(dots_plugin,), threads=1, keep=ModelFolder(tmp_path / name, "highest"))
        worker = Worker(config, registry, save)
        if name == "nowhere":
            (tmp_path / name).touch()
        here = Serial() if name == "local" else Ray(nodes.address, cpus=1)
        (outcome,) = here.run([trial], worker, Observer())
        assert outcome.status == "done"
        kept[name] = find(tmp_path / name, outcome.id)
    assert wrote == [os.getpid()] * 3
    assert "cannot be kept" in outcome.unkept
    one, other = read(kept["local"]), read(kept["ray"])
    assert replace(one, threads=None, calibration={}) == replace(other, threads=None, calibration={})
    weights = [read_weights(kept[name], saved) for name, saved in (("local", one), ("ray", other))]
    assert np.array_equal(weights[0]["centre"], weights[1]["centre"])


def test_trials_share_a_gpu_of_the_cluster(nodes: Any, variant: Callable[[str], Path], tmp_path: Path) -> None:
    gpu = nodes.add_node(num_cpus=2, num_gpus=1, **SMALL)  # so it says: Ray only counts it
    nodes.wait_for_nodes()
    plugin = variant(f"""
import pathlib
(pathlib.Path({str(tmp_path)!r}) / f"seen{{run.seed}}").write_text(os.environ["CUDA_VISIBLE_DEVICES"])
give_up = time.monotonic() + 20
while time.monotonic() < give_up and len(list(pathlib.Path({str(tmp_path)!r}).glob("seen*"))) < 2: time.sleep(0.05)
assert time.monotonic() < give_up""")
    try:
        outcomes, _ = fly(nodes, plugin, [TRIAL, TRIAL._replace(seed=1)], gpus=0.5)
    finally:
        nodes.remove_node(gpu)
    assert [outcome.reason for outcome in outcomes.values()] == [""] * 2
    assert [file.read_text() for file in tmp_path.glob("seen*")] == ["0", "0"]


def test_a_share_of_a_cpu_lets_more_trials_run_side_by_side(
    nodes: Any, variant: Callable[[str], Path], tmp_path: Path
) -> None:
    plugin = variant(f"""
import pathlib
(pathlib.Path({str(tmp_path)!r}) / f"here{{run.seed}}").touch()
give_up = time.monotonic() + 20
while time.monotonic() < give_up and len(list(pathlib.Path({str(tmp_path)!r}).glob("here*"))) < 3: time.sleep(0.05)
assert time.monotonic() < give_up""")
    outcomes, _ = fly(nodes, plugin, [TRIAL._replace(seed=seed) for seed in range(3)], cpus=0.5)
    assert [outcome.reason for outcome in outcomes.values()] == [""] * 3


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "nobody answers at '127.0.0.1:1' (.*refused)"),
        ("head.invalid:6379", "nobody answers at 'head.invalid:6379'"),
        ("6379", "the address of Ray is '6379': expected auto, or host:port"),
        ("ray://head:10001", "the address of Ray is 'ray://head:10001': expected auto, or host:port"),
        ("127.0.0.1:99999", "nobody answers at '127.0.0.1:99999'"),
    ],
)
def test_an_address_where_nobody_answers_is_refused_at_once(address: str, said: str) -> None:
    started = time.monotonic()
    with pytest.raises(UsageError, match=said):
        Ray(address).prepare("cpu")
    assert time.monotonic() - started < 7


@pytest.mark.parametrize(
    ("banner", "said"),
    [(b"SSH-2.0-OpenSSH_9.2\r\n", "what answers at .* is no Ray"), (b"", "nobody answers at .*timed out")],
)
def test_a_port_where_something_else_listens_is_refused_at_once(
    banner: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "_ANSWER_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            with server.accept()[0] as line:
                line.sendall(banner)
                line.recv(100)
                over.wait(5)

        over = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(UsageError, match=said):
            Ray(f"127.0.0.1:{port}").prepare("cpu")
        over.set()
        thread.join()


def test_progress_that_comes_fast_travels_as_one_message_with_all_its_images() -> None:
    board = Board()
    sent: list[Progress] = []
    fake = SimpleNamespace(pin=SimpleNamespace(remote=lambda trial, progress: sent.append(progress)))
    wire = Wire(fake)
    for step in range(5):
        wire.progressed(TRIAL, Progress(1, 2, np.float32(0.5), 8, epoch_done=False))
        time.sleep(BEAT_S * 1.1 if step == 2 else 0)
    assert [progress.images for progress in sent] == [8, 24]
    assert type(sent[0].loss) is float

    async def both() -> list[tuple[Trial, Progress]]:
        taken = asyncio.ensure_future(board.take())
        for progress in sent:
            await board.pin(TRIAL, progress)
        return await taken

    assert asyncio.run(both()) == [(TRIAL, progress) for progress in sent]


def test_news_that_were_on_their_way_when_the_last_trial_ended_are_told_before_the_rest() -> None:
    first, last = (Progress(epoch, 2, 0.5, 8) for epoch in (1, 2))
    told: list[Progress] = []
    ending = object.__new__(fleet.Fleet)
    ending._ray = SimpleNamespace(
        wait=lambda references, timeout: (references, []),
        get=lambda reference, timeout: reference,
        exceptions=SimpleNamespace(RayError=RuntimeError),
    )
    ending._board = SimpleNamespace(
        rest=SimpleNamespace(remote=lambda: [(TRIAL, last)]), take=SimpleNamespace(remote=list)
    )
    ending._observer = Mock(progressed=lambda trial, progress: told.append(progress))
    ending._tell_the_rest([(TRIAL, first)])
    assert told == [first, last]


def test_auto_goes_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(UsageError, match="nobody answers at 'auto'"):
        Ray("auto").prepare("cpu")


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs Ray: pip install 'anomaly-harness\[ray\]'"):
        Ray().prepare("cpu")


def test_a_share_of_gpus_above_one_is_whole() -> None:
    with pytest.raises(ValueError, match=r"gpus is 1.5: expected a whole number, or a share below 1"):
        Ray(gpus=1.5)
    assert Share(cpus=2, gpus=0.25).fits({"CPU": 16, "GPU": 1}) == 4
    assert Share(cpus=0.1).fits({"CPU": 0.3}) == 3
    assert Share(gpus=1).fits({"CPU": 16}) == 0


def test_what_a_worker_needs_holds_no_path_that_only_means_something_here(
    dots_plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(dots_plugin.parent)
    here = Worker(WorkerConfig("cuda", Path("data"), Path("weights"), (dots_plugin,), threads=3), Registry())
    setting = RemoteWorker.of(here, {"HARNESS_OFFLINE": "1", "HOME": "/home/me"})
    assert setting.config == WorkerConfig("cuda", weights_dir=dots_plugin.parent / "weights", threads=3)
    assert setting.files == ((dots_plugin, dots_plugin.read_bytes()),)
    assert setting.environ == (("HARNESS_OFFLINE", "1"),)


def test_what_ray_cannot_do_ends_the_run_in_one_line(
    nodes: Any, dots_plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.exceptions import OutOfDiskError

    def full(split: Split) -> Split:
        raise OutOfDiskError("no room for 60 MB\nmore lines")

    monkeypatch.setattr(fleet, "portable", full)
    with pytest.raises(UnavailableError, match=r"Ray has failed \(OutOfDiskError: .*\)\. Finished trials are kept"):
        fly(nodes, dots_plugin, [TRIAL])


@pytest.mark.slow
def test_every_trial_is_in_the_store_once_when_one_of_three_nodes_is_killed(
    left: Any, variant: Callable[[str], Path], tmp_path: Path
) -> None:
    others = [left.add_node(num_cpus=2, **SMALL) for _ in range(2)]
    left.wait_for_nodes()
    diary = tmp_path / "diary"
    plugin = variant(f"""
def write(what): open({str(diary)!r}, "a").write(f"{{what}} {{run.seed}} {{os.getppid()}}\\n")
write("begun")
time.sleep(0.7)
write("ended")""")
    trials = [TRIAL._replace(seed=seed) for seed in range(24)]
    worker = Worker(WorkerConfig(plugin_files=(plugin,)), Registry.discover([plugin]))
    doomed = others[0]
    (raylet,) = doomed.all_processes["raylet"]
    ended: list[Outcome] = []

    class KillsANode(Observer):
        def ended(self, outcome: Outcome) -> None:
            ended.append(outcome)
            if doomed and f" {raylet.process.pid}\n" in diary.read_text() and doomed in left.list_all_nodes():
                left.remove_node(doomed, allow_graceful=False)

    try:
        with Store(tmp_path / "runs", write=True) as store:
            ray = Ray(left.address, cpus=1)
            tally = carry_out(map(Cell, trials), store=store, worker=worker, executor=ray, observer=KillsANode())
            stored = list(store.outcomes())
    finally:
        left.remove_node(others[1])
    assert doomed not in left.list_all_nodes(), "it was killed in mid-run"
    assert sorted(outcome.trial.seed for outcome in stored) == sorted(outcome.trial.seed for outcome in ended)
    assert [outcome.trial.seed for outcome in sorted(stored, key=lambda outcome: outcome.trial.seed)] == list(range(24))
    assert {outcome.status for outcome in stored} == {"done"}
    assert (tally.fitted, len(tally.ids)) == (24, 24)
    lines = [line.split() for line in diary.read_text().splitlines()]
    begun = [line for line in lines if line[0] == "begun"]
    assert len(begun) > 24, "a trial was lost with the node, and begun again"
    assert len({line[2] for line in begun}) == 3, "all three nodes had work"


def test_a_run_whose_machines_are_all_lost_ends_and_says_so(
    left: Any, variant: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "_PATIENCE_S", 1.0)
    monkeypatch.setattr(fleet, "_LOOK_S", 0.3)
    large = left.add_node(num_cpus=3, **SMALL)
    left.wait_for_nodes()
    plugin = variant("if run.seed: time.sleep(60)")
    worker = Worker(WorkerConfig(plugin_files=(plugin,)), Registry.discover([plugin]))
    ray = Ray(left.address, cpus=3)
    ending = ray.run([TRIAL, TRIAL._replace(seed=1)], worker, Observer())
    assert next(ending).status == "done"
    left.remove_node(large, allow_graceful=False)
    with pytest.raises(UnavailableError, match="no machine of the Ray cluster has been left for 1 s"):
        list(ending)
