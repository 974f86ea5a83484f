"""What the executor `ray` decides by itself, on a Ray that is only played: the real one is in test_executors_ray."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from harness import Progress, UnavailableError, UsageError
from harness.plugin.registry import Registry
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker, WorkerConfig
from harness_ray import cluster, executor, fleet, tasks
from harness_ray.cluster import Share, in_a_line
from harness_ray.executor import Ray
from harness_ray.fleet import Fleet, room

TRIAL = Trial("dots", "large", "trained", "plain", "absolute", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")


class RayError(Exception):
    """As Ray's own."""


class RayTaskError(RayError):
    cause: BaseException | None = None


class OutOfMemoryError(RayError):
    pass


class WorkerCrashedError(RayError):
    pass


class NodeDiedError(RayError):
    pass


class Played:
    """A Ray whose tasks end as a test says; a reference is what `get` then gives or raises."""

    exceptions = SimpleNamespace(
        RayError=RayError, RayTaskError=RayTaskError, OutOfMemoryError=OutOfMemoryError,
        WorkerCrashedError=WorkerCrashedError, NodeDiedError=NodeDiedError,
    )  # fmt: skip

    def __init__(self, *machines: dict[str, float]) -> None:
        self.machines = [{"Resources": one, "Alive": True} for one in machines or ({"CPU": 2.0},)]
        self.put_values: list[Any] = []
        self.options: list[dict[str, Any]] = []
        self.ends: list[Any] = []
        self.submitted: list[Any] = []
        self.news: list[Any] = []
        strategies = SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, soft: (node, soft))
        self.util = SimpleNamespace(scheduling_strategies=strategies)

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(get_node_id=lambda: "here")

    def nodes(self) -> list[dict[str, Any]]:
        return self.machines

    def put(self, value: Any) -> int:
        self.put_values.append(value)
        return len(self.put_values)

    def remote(self, what: Any) -> Any:
        def options(**asked: Any) -> Any:
            self.options.append(asked)
            if what is tasks.perform:
                return SimpleNamespace(remote=self._begun)
            board = SimpleNamespace(
                take=SimpleNamespace(remote=lambda: "news"), rest=SimpleNamespace(remote=lambda: "last news")
            )
            return SimpleNamespace(remote=lambda: board)

        return SimpleNamespace(options=options)

    def _begun(self, trial: Trial, *rest: Any) -> str:
        self.submitted.append(trial.seed)
        return f"task {len(self.submitted)}"

    def wait(self, references: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        flying = [one for one in references if str(one).startswith("task")]
        told = [one for one in references if one == "last news" or (one == "news" and self.news)]
        return ([*told, *flying[:1]], [])

    def get(self, reference: str, timeout: float | None = None) -> Any:
        if reference in ("news", "last news"):
            said = self.news.pop(0) if self.news else []
            if isinstance(said, Exception):
                raise said
            return said
        end = self.ends[int(reference.split()[1]) - 1]
        if isinstance(end, Exception):
            raise end
        return SimpleNamespace(kept_by=lambda worker: end)


class Told:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def progressed(self, trial: Trial, progress: Progress) -> None:
        self.said.append((trial.seed, progress.epoch))

    def printed(self, plugin: str, line: str) -> None:
        self.said.append((plugin, line))


@pytest.fixture
def fleet_on(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A fleet on a played Ray; its worker has one category's data."""
    monkeypatch.setattr(fleet, "portable", lambda split: f"portable {split.fingerprint}")
    monkeypatch.setattr(fleet, "makers", lambda trial, registry: ())
    monkeypatch.setattr(fleet, "RemoteWorker", SimpleNamespace(of=lambda worker: "worker"))

    def made(ray: Played, share: Share = Share(), told: Any = None, splits: Any = None) -> Fleet:  # noqa: B008
        usual = SimpleNamespace(fingerprint="f00d")
        worker: Any = SimpleNamespace(registry=None, split_of=lambda trial: (splits or {}).get(trial.seed, usual))
        return Fleet(ray, share, worker, told or Told())

    return made


def trials(count: int) -> Iterator[Trial]:
    return iter([TRIAL._replace(seed=seed) for seed in range(count)])


def test_a_few_more_tasks_than_fit_are_submitted_so_that_no_worker_waits() -> None:
    assert [room(slots) for slots in (0, 1, 7, 8, 16, 64)] == [0, 2, 8, 9, 18, 72]


def test_a_share_fits_as_often_as_its_scarcest_resource_allows() -> None:
    assert Share(cpus=2, gpus=1).fits({"CPU": 16, "GPU": 3}) == 3
    assert Share(cpus=8, gpus=1).fits({"CPU": 17, "GPU": 3}) == 2
    assert Share().fits({"CPU": 5}) == 5
    assert Share(cpus=1).fits({}) == 0


def test_an_error_is_told_by_its_type_and_the_first_line_that_says_something() -> None:
    assert in_a_line(ValueError("\n  \n  of value \nmore")) == "ValueError: of value"
    assert in_a_line(KeyError()) == "KeyError: "


def test_outcomes_come_as_they_end_and_each_trial_is_given_its_share(fleet_on: Any) -> None:
    ray, told = Played({"CPU": 2.0, "GPU": 1.0}), Told()
    ray.ends = [Outcome(trial, "done") for trial in trials(5)]
    ray.news = [[(TRIAL, Progress(2, 3, 0.5, 8, epoch_done=True)), (TRIAL, ("dots", "hello"))]]
    found = list(fleet_on(ray, Share(1, 0.5), told).run(trials(5)))
    assert found == ray.ends
    assert told.said == [(0, 2), ("dots", "hello")]
    board, task = ray.options
    assert board == {"num_cpus": 0, "scheduling_strategy": ("here", False)}, "it stays where the run was started"
    assert task == {"max_retries": 0, "num_cpus": 1, "num_gpus": 0.5}, "Ray itself begins no trial again"
    assert ray.put_values == ["worker", "portable f00d"], "data are put into Ray's store once"


def test_each_category_is_put_into_the_store_once_while_its_trials_follow_each_other(fleet_on: Any) -> None:
    ray = Played()
    ray.ends = [Outcome(trial, "done") for trial in trials(4)]
    one, other = SimpleNamespace(fingerprint="one"), SimpleNamespace(fingerprint="other")
    list(fleet_on(ray, splits={0: one, 1: one, 2: other, 3: other}).run(trials(4)))
    assert ray.put_values[1:] == ["portable one", "portable other"]


def test_a_trial_whose_worker_is_lost_is_begun_three_times_and_then_an_error(fleet_on: Any) -> None:
    ray = Played({"CPU": 1.0})
    ray.ends = [WorkerCrashedError()] * 2 + [Outcome(TRIAL, "done")]
    assert [one.status for one in fleet_on(ray).run(trials(1))] == ["done"]
    assert ray.submitted == [0, 0, 0]
    for error, said in {
        WorkerCrashedError(): "its worker died, perhaps for want of memory; begun 3 times",
        OutOfMemoryError(): "its worker was ended for want of memory; begun 3 times",
        NodeDiedError(): "its machine was lost; begun 3 times",
        RayError("odd\nlines"): "RayError: odd; begun 3 times",
    }.items():
        lost = Played({"CPU": 1.0})
        lost.ends = [error] * 3
        (outcome,) = fleet_on(lost).run(trials(1))
        assert (outcome.status, outcome.reason, outcome.fingerprint) == ("error", said, "f00d")
        assert len(lost.submitted) == 3


def test_what_a_worker_cannot_run_is_not_begun_again(fleet_on: Any) -> None:
    ray = Played({"CPU": 1.0})
    error = RayTaskError("of Ray")
    error.cause = ImportError("no module dots\nmore")
    ray.ends = [error, Outcome(TRIAL, "done")]
    first, second = fleet_on(ray).run(trials(2))
    assert first.reason == "its worker could not run it: ImportError: no module dots"
    assert (second.status, ray.submitted) == ("done", [0, 1])


def test_a_run_goes_on_without_news_when_the_board_is_lost(fleet_on: Any) -> None:
    ray, told = Played({"CPU": 1.0}), Told()
    ray.ends = [Outcome(trial, "done") for trial in trials(3)]
    ray.news = [RayError("gone")]
    assert len(list(fleet_on(ray, told=told).run(trials(3)))) == 3
    assert told.said == []


def test_a_trial_that_fits_nowhere_is_refused_with_what_there_is(fleet_on: Any) -> None:
    ray = Played({"CPU": 4.0, "GPU": 1.0}, {"CPU": 16.0})
    ray.machines.append({"Resources": {"CPU": 64.0, "GPU": 8.0}, "Alive": False})
    with pytest.raises(UsageError) as refused:
        list(fleet_on(ray, Share(2, 2)).run(trials(1)))
    assert str(refused.value) == (
        "a trial of 2 CPUs and 2 GPUs fits on no machine of the Ray cluster, which has at most 16 CPUs and 1 GPUs: "
        "give it fewer, as in --executor 'ray[cpus=1]'"
    )


def test_machines_that_leave_are_waited_for_and_five_minutes_without_any_end_the_run(
    fleet_on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(fleet.time, "monotonic", lambda: clock[0])
    ray = Played({"CPU": 8.0})
    found = fleet_on(ray)
    assert found._room() == 9
    ray.machines = []
    clock[0] += 4.9
    assert found._room() == 9, "it does not look at each turn"
    clock[0] += 0.1
    assert found._room() == 0
    clock[0] += 299
    assert found._room() == 0
    clock[0] += 6
    with pytest.raises(UnavailableError, match=r"^no machine of the Ray cluster has been left for 300 s\. Finished"):
        found._room()
    ray.machines = [{"Resources": {"CPU": 1.0}, "Alive": True}]
    clock[0] += 5
    assert found._room() == 2


# the executor


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.mark.parametrize(
    ("gpus", "wanted", "device"),
    [
        (None, "auto", None), (None, "cpu", "cpu"), (None, "cuda", "cuda"), (None, "mps", None),
        (0, "auto", "cpu"), (1, "auto", "cuda"), (0.5, "cuda", "cuda"), (0, "cpu", "cpu"),
    ],
)  # fmt: skip
def test_the_device_of_a_trial_follows_from_what_is_reserved(gpus: Any, wanted: str, device: Any) -> None:
    assert Ray(gpus=gpus).prepare(wanted) == device


def test_a_device_that_contradicts_what_is_reserved_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^the device is 'cuda:1': expected auto, cpu or cuda, for Ray says which"):
        Ray().prepare("cuda:1")
    for gpus, wanted in ((1, "cpu"), (0, "cuda")):
        with pytest.raises(UsageError, match=f"is to have {gpus} GPUs and the device '{wanted}': give one of the two"):
            Ray(gpus=gpus).prepare(wanted)


@pytest.mark.parametrize("cpus", [0, -1])
def test_a_share_of_nothing_is_refused(cpus: float) -> None:
    with pytest.raises(ValueError, match=f"^cpus is {cpus}: expected more than 0$"):
        Ray(cpus=cpus)
    with pytest.raises(ValueError, match="^gpus is -1: expected a whole number"):
        Ray(gpus=-1)
    assert (Ray(gpus=1).gpus, Ray(gpus=3).gpus, Ray(gpus=0.25).gpus) == (1, 3, 0.25)


def test_a_trial_reserves_the_threads_of_a_fit_and_a_gpu_where_it_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "cores", lambda: 12)
    monkeypatch.setattr(executor, "usual_jobs", lambda device: 3)
    monkeypatch.setattr(executor, "threads_of_a_fit", lambda device, precision, jobs: {"cpu": 4}.get(device))
    assert Ray()._share("cpu") == Share(4, 0)
    assert Ray()._share("cuda") == Share(1, 1)
    assert Ray(cpus=0.5, gpus=0.25)._share("cuda") == Share(0.5, 0.25)
    assert Ray(gpus=0)._share("cuda") == Share(1, 0)
    assert Ray().side_by_side("cpu", 100) == 3
    assert Ray(cpus=0.5).side_by_side("cpu", 1) == 24
    assert Ray(cpus=100).side_by_side("cpu", 1) == 1


def test_ray_is_not_started_where_the_store_has_all_trials_and_its_failure_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    played = Played()
    asked: list[Any] = []

    class Joined:
        def __init__(self, address: Any) -> None:
            asked.append(address)

        def __enter__(self) -> Played:
            return played

        def __exit__(self, *_: object) -> None:
            asked.append("left")

    class Failing:
        def __init__(self, ray: Any, share: Share, worker: Any, observer: Any) -> None:
            asked.append(share)

        def run(self, trials: Any) -> Iterator[Outcome]:
            yield from (Outcome(trial, "done") for trial in trials)
            raise RayError("head is gone\nmore")

    monkeypatch.setattr(executor, "joined", Joined)
    monkeypatch.setattr(executor, "Fleet", Failing)
    worker, told = Worker(WorkerConfig("cuda"), Registry()), Told()
    observer: Any = told
    assert list(Ray("head:1").run(iter([]), worker, observer)) == []
    assert asked == []
    found = Ray("head:1", cpus=2).run(trials(2), worker, observer)
    assert [next(found).trial.seed, next(found).trial.seed] == [0, 1]
    with pytest.raises(
        UnavailableError, match=r"^Ray has failed \(RayError: head is gone\)\. Finished trials are kept"
    ):
        next(found)
    assert asked == ["head:1", Share(2, 1), "left"]


def test_the_address_is_the_one_that_is_given_else_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Ray()._cluster() is None
    monkeypatch.setenv("RAY_ADDRESS", "there:1")
    assert (Ray()._cluster(), Ray("here:1")._cluster()) == ("there:1", "here:1")
    monkeypatch.setenv("RAY_ADDRESS", "")
    assert Ray()._cluster() is None


# the cluster


@pytest.mark.parametrize("address", ["6379", "ray://head:10001", "head:", ":6379", "head:port", "http://head:1"])
def test_an_address_is_a_host_and_a_port(address: str) -> None:
    with pytest.raises(UsageError) as refused:
        cluster.call(address)
    assert str(refused.value) == (
        f"the address of Ray is {address!r}: expected auto, or host:port such as 10.0.0.1:6379"
    )


def answering(banner: bytes, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What an address is sent that answers so."""
    seen: list[Any] = []

    class Line:
        def __enter__(self) -> Any:
            return SimpleNamespace(sendall=seen.append, recv=lambda count: banner[:count])

        def __exit__(self, *_: object) -> None:
            pass

    def connected(where: Any, timeout: float) -> Line:
        seen.append((where, timeout))
        return Line()

    monkeypatch.setattr(cluster.socket, "create_connection", connected)
    return seen


def test_what_answers_as_http_2_does_is_taken_for_ray_and_with_tls_whatever_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RAY_USE_TLS", raising=False)
    seen = answering(b"\0\0\0\x04", monkeypatch)
    cluster.call("[::1]:6379")
    assert seen == [(("::1", 6379), 5.0), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"]
    for banner in (b"SSH-", b"\0\0\0\x05", b""):
        answering(banner, monkeypatch)
        with pytest.raises(UsageError, match=r"^what answers at 'h:1' is no Ray: expected the head of a Ray cluster$"):
            cluster.call("h:1")
    monkeypatch.setenv("RAY_USE_TLS", "1")
    cluster.call("h:1")


def test_a_ray_that_is_started_here_asks_for_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    cluster._ask_for_tokens()
    assert os.environ["RAY_AUTH_MODE"] == "token"
    monkeypatch.setenv("RAY_AUTH_MODE", "TOKEN")
    cluster._ask_for_tokens()
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(UsageError) as refused:
        cluster._ask_for_tokens()
    assert str(refused.value).startswith("RAY_AUTH_MODE is 'disabled': a Ray that is started here would then obey")


def joined(address: str | None, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> list[Any]:
    """What Ray is asked for while a cluster is joined."""
    asked: list[Any] = []

    def begun(**how: Any) -> None:
        asked.append(how)
        if error is not None:
            raise error

    played = SimpleNamespace(init=begun, shutdown=lambda: asked.append("shut down"), exceptions=Played.exceptions)
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_DEDUP_LOGS_SKIP_REGEX", "RAY_AUTH_MODE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setitem(sys.modules, "ray", played)
    monkeypatch.setattr(cluster, "_refuse_without_tokens", lambda: asked.append("tokens"))
    monkeypatch.setattr(cluster, "cores", lambda: 7)
    with cluster.joined(address) as ray:
        assert ray is played
        asked.append("within")
    return asked


def test_a_cluster_of_others_is_joined_and_one_of_ours_is_started_with_our_cores_and_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quiet = {"log_to_driver": False, "logging_level": 50}
    assert joined("head:1", monkeypatch) == [{"address": "head:1", **quiet}, "within", "shut down"]
    assert "RAY_AUTH_MODE" not in os.environ
    own = {"address": "local", **quiet, "include_dashboard": False, "num_cpus": 7}
    assert joined(None, monkeypatch) == ["tokens", own, "within", "shut down"]
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert (os.environ["RAY_USAGE_STATS_ENABLED"], os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"]) == ("0", ".")


def test_a_cluster_that_cannot_be_joined_or_started_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (RayError("gone\nmore"), OSError("gone"), RuntimeError("gone"), ValueError("gone")):
        told = f"{type(error).__name__}: gone"
        with pytest.raises(UsageError, match=f"^a Ray cluster at 'head:1' cannot be joined: {told}$"):
            joined("head:1", monkeypatch, error)
        with pytest.raises(UsageError, match=f"^a Ray cluster cannot be started here: {told}$"):
            joined(None, monkeypatch, error)


def test_our_handler_of_sigterm_comes_back_and_an_exit_meanwhile_is_a_stop() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with cluster._our_own_sigterm():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(KeyboardInterrupt) as stop, cluster._our_own_sigterm():
        raise SystemExit(0)
    assert stop.value.args == (signal.SIGTERM,)
    found: list[Any] = []

    def elsewhere() -> None:
        try:
            with cluster._our_own_sigterm():
                raise SystemExit(3)
        except SystemExit as end:
            found.append(end.code)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [3], "only the main thread has handlers"


# what runs on the machines


def test_a_task_sends_what_plugins_print_and_its_progress_to_the_board(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[Any] = []
    board = SimpleNamespace(pin=SimpleNamespace(remote=lambda trial, news: pinned.append((trial.seed, news))))

    class Apart:
        def __init__(self, told: Any) -> None:
            self.told = told

        def __enter__(self) -> None:
            self.told("dots", "hello")

        def __exit__(self, *_: object) -> None:
            pass

    def performed(trial: Trial, split: Any, wanted: Any, wire: Any) -> str:
        wire.progressed(trial, Progress(1, 2, 0.5, 8, epoch_done=False))
        return f"{split} {wanted}"

    monkeypatch.setattr(tasks, "kept_apart", Apart)
    remote: Any = SimpleNamespace(perform=performed)
    asked: Any = ("split", "makers")
    assert tasks.perform(TRIAL, *asked, remote, board) == "split makers"  # type: ignore[comparison-overlap]
    assert pinned == [(0, ("dots", "hello")), (0, Progress(1, 2, 0.5, 8, epoch_done=False))]


def test_progress_travels_four_times_a_second_at_most_and_no_image_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, sent = [10.0], list[Any]()
    monkeypatch.setattr(tasks.time, "monotonic", lambda: clock[0])
    wire = tasks.Wire(SimpleNamespace(pin=SimpleNamespace(remote=lambda trial, progress: sent.append(progress.images))))
    for step in (0.0, 0.1, 0.1, 0.05, 0.2, 0.1):
        clock[0] += step
        wire.progressed(TRIAL, Progress(1, 2, 0.5, 8, epoch_done=False))
    assert sent == [8, 24, 16]
