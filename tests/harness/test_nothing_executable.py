"""What comes from outside is data: no reader runs it, whatever it is called, and no module could."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.commands import main

ROOT = Path(__file__).parents[2]
FORBIDDEN = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle", "yaml", "code", "pty",
}  # fmt: skip
"""Modules that make objects of bytes, or run text."""
CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "torch.load",
    "torch.jit.load",
    "torch.hub.load",
    "os.system",
    "os.popen",
}


def sources() -> list[Path]:
    """All modules, but for the executors: what passes between our own processes is no data from outside."""
    plugins = (ROOT / "plugins").glob("harness_*")
    every = [file for folder in (ROOT / "harness", *plugins) for file in sorted(folder.rglob("*.py"))]
    return [file for file in every if file.parent.name != "executors"]


def dangers(text: str) -> Iterator[str]:
    """Imports and calls in a module that could run what they read."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in FORBIDDEN)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FORBIDDEN:
            yield node.module or ""
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            said = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if name in CALLS and said.get("weights_only") != "True":
                yield name
            if said.get("allow_pickle") == "True" or said.get("shell") == "True":
                yield f"{name}({said})"


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(f)",
        "np.load(f, allow_pickle=True)",
        "eval(x)",
        "run(x, shell=True)",
    ],
)
def test_the_search_finds_what_it_looks_for(text: str) -> None:
    assert list(dangers(text))
    assert not list(dangers("torch.load(f, weights_only=True); np.load(f); model.eval(); re.compile(x)"))


def test_no_module_can_run_what_it_reads() -> None:
    assert len(sources()) > 80
    found = [f"{file.relative_to(ROOT)}: {danger}" for file in sources() for danger in dangers(file.read_text())]
    assert not found


class Bomb:
    """Would leave a file where it was unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize(
    "words",
    [
        "validate {}.toml",
        "validate {}.csv",
        "validate {}.jsonl",
        "leaderboard --store {}.jsonl",
        "merge {}.jsonl --into out.jsonl",
        "leaderboard --store store",
        "merge store --into other",
        "run --config {}.toml",
        "run --models dae --encoders vgg16 --losses mse --categories tile --weights pretrained --weights-dir weights",
        "run --dataset folder --data-root parts --models padim --encoders conv",
        "predict model {}.png",
    ],
)
def test_a_pickle_is_run_by_no_command_whatever_it_is_called(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mark = tmp_path / "mark"
    data = pickle.dumps(Bomb(mark))
    for name in (
        "x.toml", "x.csv", "x.jsonl", "x.png", "store/store.sqlite", "weights/vgg16.tv_in1k.safetensors", "model/model.json",
        "model/weights.safetensors", "parts/a/train/good/0.png", "parts/a/test/good/0.png", "parts/a/test/bad/0.png",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    pickle.loads(data)
    assert mark.exists(), "it works"
    mark.unlink()
    done = CliRunner().invoke(main, words.format("x").split())
    assert done.exit_code in (2, 3), done.output
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert not mark.exists()
