"""`harness run --executor ray`, as a person runs it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from harness.commands import main
from harness.commands.run import command as run_command
from harness.errors import StoreError
from harness.trials.store import Store

WORDS = [
    "run",
    "--no-floors",
    "--dataset",
    "dots",
    "--encoders",
    "plain",
    "--losses",
    "absolute",
    "--thresholds",
    "highest",
]
SMALL = {"object_store_memory": 100 * 2**20, "include_dashboard": False, "num_cpus": 2}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of the head of a Ray cluster on this machine."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster as Nodes

    started = Nodes(initialize_head=True, head_node_args=SMALL)
    yield started.address
    started.shutdown()


@pytest.fixture
def rows(tmp_path: Path, dots_plugin: Path, address: str) -> Callable[..., list[dict[str, Any]]]:
    """What a run of `trained` in another process prints as JSON, each executor with a store of its own."""

    def run(executor: str, *arguments: str, expect: int = 0) -> list[dict[str, Any]]:
        words = [*WORDS, "--executor", executor, "--plugin", str(dots_plugin), "--store", str(tmp_path / executor)]
        words += ["--device", "cpu", "--format", "json", *(["--ray-address", address] if executor == "ray" else [])]
        command = [sys.executable, "-m", "harness", *words, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == expect, done.stderr
        assert "Traceback" not in done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)  # and nothing else is on standard output
        return found

    return run


@pytest.fixture
def begun(tmp_path: Path, dots_plugin: Path) -> Callable[..., subprocess.Popen[str]]:
    """A run in a process group of its own, as a terminal has it. Fits of `trained` take long but for seed 0."""
    plugin = tmp_path / "slow.py"
    plugin.write_text(
        dots_plugin.read_text().replace(
            "assert encoder is not None", "import time; time.sleep(60 if run.seed else 0); assert encoder is not None"
        )
    )

    def run(*arguments: str) -> subprocess.Popen[str]:
        words = [*WORDS, "--executor", "ray", "--plugin", str(plugin), "--store", str(tmp_path / "runs")]
        words += ["--categories", "large", "--models", "trained", "--device", "cpu", *arguments]
        return subprocess.Popen(
            [sys.executable, "-m", "harness", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return run


def test_rows_are_those_of_a_local_run_over_an_axis_too(rows: Callable[..., list[dict[str, Any]]]) -> None:
    asked = ["--categories", "all", "--models", "trained[fail=bug],mean_image", "--seeds", "0,1", "--shots", "3,all"]
    timed = {"fit_seconds", "train_images_per_second"}
    local, ray = (
        [{k: v for k, v in row.items() if k not in timed} for row in rows(executor, *asked, expect=3)]
        for executor in ("local", "ray")
    )
    assert ray == local
    assert {row["status"] for row in ray} == {"done", "error"}
    assert {row.get("shots") for row in ray if row["status"] == "done"} == {3, None}


def test_ray_tells_of_a_lost_worker_in_our_words_alone(
    rows: Callable[..., list[dict[str, Any]]], dots_plugin: Path, tmp_path: Path
) -> None:
    fragile = tmp_path / "fragile.py"
    fragile.write_text(
        dots_plugin.read_text()
        .replace('"trained"', '"fragile"')
        .replace("assert encoder is not None", "import os; os.kill(os.getpid(), 9) if run.seed else print('loud')")
        .replace("return [Dots]", "return []")
        .replace("return [MeanImage, Trained, Brightest]", "return [Trained]")
        .replace("return [Plain, Deep]", "return []")
        .replace("return [Absolute]", "return []")
        .replace("return [Highest, Lazy, Peek]", "return []")
    )
    asked = ["--plugin", str(fragile), "--categories", "large", "--models", "fragile", "--seeds", "0,1"]
    found = {row["seed"]: row for row in rows("ray", *asked, expect=3)}
    assert found[0]["status"] == "done"
    assert found[1]["reason"] == "its worker died, perhaps for want of memory; begun 3 times"


def test_what_a_plugin_prints_on_a_worker_is_on_stderr_with_its_name(
    address: str, dots_plugin: Path, tmp_path: Path
) -> None:
    loud = tmp_path / "loud.py"
    talking = "print('loud', run.seed); assert encoder is not None"
    loud.write_text(dots_plugin.read_text().replace("assert encoder is not None", talking))
    words = [*WORDS, "--plugin", str(loud), "--store", str(tmp_path / "runs"), "--models", "trained", "--seeds", "0,1"]
    words += ["--categories", "large", "--executor", f"ray[address={address}]", "--format", "json"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)) == 2
    assert {"[loud] loud 0", "[loud] loud 1"} <= set(result.stderr.splitlines()), result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--executor", "ray", "--jobs", "4"],
            "--jobs is for an executor with the option 'jobs', and 'ray' is none: its options are address, cpus, gpus",
        ),
        (["--ray-address", "auto"], "--ray-address is for an executor with the option 'address', and 'local' is none"),
        (["--cpus-per-trial", "2"], "--cpus-per-trial is for an executor with the option 'cpus'"),
        (["--gpus-per-trial", "0.5"], "--gpus-per-trial is for an executor with the option 'gpus'"),
        (["--executor", "ray", "--ray-address", "127.0.0.1:1"], "nobody answers at '127.0.0.1:1'"),
        (["--executor", "ray", "--gpus-per-trial", "1.5"], "--gpus-per-trial: gpus is 1.5: expected a whole number"),
        (["--executor", "ray", "--device", "cuda:1"], "the device is 'cuda:1': expected auto, cpu or cuda"),
        (
            ["--executor", "ray", "--device", "cpu", "--gpus-per-trial", "1"],
            "a trial is to have 1 GPUs and the device 'cpu'",
        ),
        (["--executor", "ray", "--device", "tpu"], "no device 'tpu' here"),
        (["--executor", "slurm"], "no executor 'slurm'"),
        (["--executor", "ray[cpus=1]", "--cpus-per-trial", "2"], "the executor is ray[cpus=1]: give one of the two"),
        (["--executor", "local[jobs=0]"], "jobs is 0: expected a whole number from 1"),
    ],
)
def test_a_wrong_request_is_one_clear_line_and_exit_2(
    dots_plugin: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    words = [*WORDS, "--plugin", str(dots_plugin), "--store", str(tmp_path / "runs"), "--models", "mean_image"]
    result = CliRunner().invoke(main, [*words, *arguments])
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert not (tmp_path / "runs").exists()


def test_an_address_in_the_environment_concerns_ray_alone(
    dots_plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    words = [*WORDS, "--plugin", str(dots_plugin), "--store", str(tmp_path / "runs"), "--models", "mean_image"]
    words += ["--categories", "large", "--jobs", "1"]
    assert CliRunner().invoke(main, words).exit_code == 0
    refused = CliRunner().invoke(main, [*words[:-2], "--executor", "ray"])
    assert (refused.exit_code, "nobody answers" in refused.stderr) == (2, True)


def test_a_gpu_that_only_the_cluster_has_is_asked_of_the_cluster(
    dots_plugin: Path, tmp_path: Path, address: str
) -> None:
    words = [*WORDS, "--plugin", str(dots_plugin), "--store", str(tmp_path / "runs"), "--models", "mean_image"]
    words += ["--executor", "ray", "--ray-address", address, "--gpus-per-trial", "0.5", "--categories", "large"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "a trial of 1 CPUs and 0.5 GPUs fits on no machine of the Ray cluster" in result.stderr


def test_a_ray_of_this_machine_has_the_processors_that_the_run_may_use(dots_plugin: Path, tmp_path: Path) -> None:
    words = [*WORDS, "--executor", "ray", "--plugin", str(dots_plugin), "--store", str(tmp_path / "runs")]
    words += ["--categories", "large", "--models", "mean_image", "--device", "cpu", "--cpus-per-trial", "2"]
    confined = subprocess.run(
        [sys.executable, "-m", "harness", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    )
    assert confined.returncode == 2, confined.stderr
    assert (
        "a trial of 2 CPUs and 0 GPUs fits on no machine of the Ray cluster, which has at most 1 CPUs"
        in confined.stderr
    )


def wait_for_a_trial(store: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with Store(store) as opened:
                if opened.done():
                    return
        except StoreError:
            pass
        time.sleep(0.1)
    raise AssertionError(process.communicate(timeout=10))


KNOCK = """
import sys
from ray._raylet import GcsClient
client = GcsClient(sys.argv[1])
client.internal_kv_put(b"planted", b"1", True, None)
print("planted" if b"planted" in client.internal_kv_keys(b"", None) else "refused")
"""
OWN = f"""
import os, subprocess, sys
from harness_ray.cluster import joined
with joined(None) as ray:
    at = ray.get_runtime_context().gcs_address
    for given in ({{}}, {{"RAY_AUTH_MODE": "disabled"}}, {{"RAY_AUTH_TOKEN": "0" * 64}}):
        knock = [sys.executable, "-c", {KNOCK!r}, at]
        done = subprocess.run(knock, env={{**os.environ, **given}}, capture_output=True, text=True)
        print(done.stdout.strip() or ("Authentication" in done.stderr and "refused") or done.stderr)
"""


def test_a_ray_that_a_run_has_started_refuses_whoever_lacks_its_token(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    environ["HOME"] = str(tmp_path)  # where the token is kept
    done = subprocess.run(
        [sys.executable, "-c", OWN], env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.split() == ["planted", "refused", "refused"], done.stdout + done.stderr


def test_no_ray_is_started_where_tokens_are_switched_off(
    monkeypatch: pytest.MonkeyPatch, dots_plugin: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    asked = [*WORDS, "--models", "trained", "--categories", "large", "--executor", "ray", "--plugin", str(dots_plugin)]
    done = CliRunner().invoke(main, [*asked, "--store", str(tmp_path), "--device", "cpu"])
    assert done.exit_code == 2, done.output
    assert "RAY_AUTH_MODE is 'disabled'" in done.stderr


def test_sigterm_cancels_tasks_and_leaves_the_store_whole_and_the_cluster_free(
    begun: Callable[..., subprocess.Popen[str]], tmp_path: Path, address: str
) -> None:
    process = begun("--ray-address", address, "--seeds", "0,1,2")
    wait_for_a_trial(tmp_path / "runs", process)
    time.sleep(1)  # the next two are under way
    started = time.monotonic()
    os.killpg(process.pid, signal.SIGTERM)
    _, complaint = process.communicate(timeout=30)
    assert time.monotonic() - started < 5
    assert process.returncode == 143, complaint
    assert "Traceback" not in complaint
    assert "the same command goes on from there" in complaint
    with Store(tmp_path / "runs") as store:
        assert [(outcome.trial.seed, outcome.status) for outcome in store.outcomes()] == [(0, "done")]
    again = begun("--ray-address", address, "--seeds", "0", "--format", "json")
    rows, summary = again.communicate(timeout=60)
    assert (again.returncode, len(json.loads(rows))) == (0, 1), summary


@pytest.mark.slow
def test_ctrl_c_ends_a_ray_that_the_run_has_started_itself(
    begun: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = begun("--seeds", "0,1,2", "--cpus-per-trial", "0.5")
    wait_for_a_trial(tmp_path / "runs", process)
    assert any("raylet" in command for command in _members(process.pid))
    started = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, complaint = process.communicate(timeout=30)
    assert time.monotonic() - started < 6
    assert process.returncode == 130, complaint
    assert "Traceback" not in complaint
    deadline = time.monotonic() + 10
    while (left := _members(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == []


def _members(session: int) -> list[str]:
    """The command lines of the processes of a session that have not ended."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            state, _, _, of, *_ = (process / "stat").read_text().rpartition(")")[2].split()
            if int(of) == session and state != "Z":
                found.append((process / "cmdline").read_text())
    return found


PAGE = Path(__file__).parents[2] / "plugins" / "harness_ray" / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def page_commands() -> list[str]:
    """Every `harness run` of the page, its lines joined."""
    text = PAGE.read_text(encoding="utf-8").replace("\\\n", " ")
    return re.findall(r"^ *(?:entrypoint: )?(harness run.*)$", text, flags=re.MULTILINE)


@pytest.mark.parametrize("command", page_commands())
def test_every_command_of_the_page_is_understood(command: str) -> None:
    options = {option for parameter in run_command.params for option in parameter.opts}
    assert {word for word in shlex.split(command, comments=True) if word.startswith("--")} <= options


def test_the_page_shows_a_script_for_slurm_and_a_job_for_kubernetes_that_parse() -> None:
    (script,) = blocks("sh")
    checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    (job,) = (yaml.safe_load(text) for text in blocks("yaml"))
    assert job["spec"]["entrypoint"] in page_commands()
    head, workers = job["spec"]["rayClusterSpec"]["headGroupSpec"], job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    pods = [group["template"]["spec"] for group in (head, *workers)]
    assert len({container["image"] for pod in pods for container in pod["containers"]}) == 1, "one version everywhere"
    mounts = {mount["name"] for mount in pods[0]["containers"][0]["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pods[0]["volumes"]}


def test_the_script_for_slurm_starts_ray_as_this_ray_understands_it(tmp_path: Path) -> None:
    (script,) = blocks("sh")
    said = {name: tmp_path / name for name in ("srun", "scontrol")}
    said["srun"].write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    said["scontrol"].write_text("#!/bin/bash\nprintf 'node7\\nnode8\\n'\n")
    for file in said.values():
        file.chmod(0o755)
    (tmp_path / "venvs/harness/bin").mkdir(parents=True)
    (tmp_path / "venvs/harness/bin/activate").touch()
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path), "SLURM_JOB_NODELIST": "node[7-8]"}
    environ |= {"SLURM_JOB_NUM_NODES": "2", "SLURM_CPUS_PER_TASK": "16"}
    ran = subprocess.run(["bash", "-eu"], input=script, text=True, capture_output=True, check=True, env=environ)
    words = ran.stdout.splitlines()
    assert words[:2] == ["ray", "symmetric-run"]
    assert words[words.index("--address") + 1] == words[words.index("--ray-address") + 1] == "node7:6379"
    assert words[words.index("--min-nodes") + 1] == "2"
    helped = subprocess.run(
        [Path(sys.executable).parent / "ray", "symmetric-run", "--help"], text=True, capture_output=True, check=True
    )
    assert {"--address", "--min-nodes"} <= set(helped.stdout.split())
