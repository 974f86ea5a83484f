"""The runtimes that packed models run on. Each is imported when it is used, and named when it is absent."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from harness.errors import UsageError

Arrays = dict[str, NDArray[Any]]
"""By name: what goes into a graph, or comes out of it."""
Graph = Callable[[Mapping[str, NDArray[Any]]], Arrays]
"""A packed model that is ready to run."""

METADATA = "harness"
"""Under this name a packed file holds its metadata, as JSON."""


@dataclass(frozen=True)
class Engine:
    """A runtime for files of one format."""

    title: str
    package: str
    extra: str
    """What installs it."""
    suffix: str
    convert: Callable[[Path, str, Path], None]
    """From an ONNX file, with metadata, to a file of its own."""
    open: Callable[[Path, int | None], Graph]
    """A file, and how many threads it may use: as many as it likes where that is None."""
    metadata: Callable[[Path], str]
    """What a file says of itself, as JSON; empty where it says nothing."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What it has to be told whenever a model is made ready, for scores as torch makes them."""

    def version(self) -> str:
        """Of what is installed."""
        return importlib.metadata.version(self.package)


def need(package: str, extra: str) -> Any:
    """The package, imported. Raises UsageError that says what to install."""
    try:
        return importlib.import_module(package)
    except ImportError:
        raise UsageError(f"{package} is not installed: pip install 'anomaly-harness[{extra}]'") from None


def _keep_onnx(onnx: Path, metadata: str, file: Path) -> None:
    """The metadata is in it already."""
    onnx.rename(file)


def _open_onnx(file: Path, threads: int | None) -> Graph:
    runtime = need("onnxruntime", "onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3  # errors; its warnings are about graphs, and no user's business
    session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, dict(inputs)), strict=True))


def _onnx_metadata(file: Path) -> str:
    runtime = need("onnxruntime", "onnx")
    session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return str(session.get_modelmeta().custom_metadata_map.get(METADATA, ""))


_FLOAT32 = {"INFERENCE_PRECISION_HINT": "f32"}
"""Else OpenVINO computes in bfloat16 where the processor can: scores were 4 in 1000 away. No file can ask for it."""


def _convert_openvino(onnx: Path, metadata: str, file: Path) -> None:
    """Through the core, and not by `convert_model`, which counts its users over the network."""
    openvino = need("openvino", "openvino")
    model = openvino.Core().read_model(onnx)
    model.set_rt_info(metadata, METADATA)
    openvino.save_model(model, file, compress_to_fp16=False)


def _open_openvino(file: Path, threads: int | None) -> Graph:
    settings: dict[str, Any] = {**_FLOAT32, "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    core = need("openvino", "openvino").Core()
    compiled = core.compile_model(core.read_model(file), "CPU", settings)
    names = [output.get_any_name() for output in compiled.outputs]

    def run(inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        results = compiled(dict(inputs))
        return {name: results[at] for at, name in enumerate(names)}

    return run


def _openvino_metadata(file: Path) -> str:
    model = need("openvino", "openvino").Core().read_model(file)
    return str(model.get_rt_info(METADATA).value) if model.has_rt_info(METADATA) else ""


ENGINES: Mapping[str, Engine] = {
    "onnx": Engine("ONNX Runtime", "onnxruntime", "onnx", ".onnx", _keep_onnx, _open_onnx, _onnx_metadata),
    "openvino": Engine(
        "OpenVINO", "openvino", "openvino", ".xml", _convert_openvino, _open_openvino, _openvino_metadata, _FLOAT32
    ),
}
"""By the name of their format."""
