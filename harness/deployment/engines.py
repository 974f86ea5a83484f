"""The runtimes that packed models run on. Each is imported when it is used; an error says if it is missing."""

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
"""The inputs or outputs of a graph, by name."""
Graph = Callable[[Mapping[str, NDArray[Any]]], Arrays]
"""A packed model that is ready to run."""

PIXELS, SCORE, ANOMALOUS, MAP = "pixels", "score", "anomalous", "map"
"""The names of a graph's input and outputs. MAP is absent where the model has no error maps."""
METADATA = "harness"
"""The name under which a packed file holds its metadata, as JSON."""


@dataclass(frozen=True)
class Engine:
    """A runtime for files of one format."""

    title: str
    package: str
    extra: str
    """The extra of this package that installs it."""
    suffix: str
    convert: Callable[[Path, str, Path], None]
    """Makes a file of this format from an ONNX file and metadata."""
    open: Callable[[Path, int | None], Graph]
    """Makes a file ready to run on so many threads; None leaves the number to the runtime."""
    metadata: Callable[[Path], str]
    """Reads the metadata of a file, as JSON; empty where there is none."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings that it needs whenever it opens a file, so that scores are those of torch."""

    def version(self) -> str:
        """The installed version."""
        return importlib.metadata.version(self.package)


def need(package: str, extra: str) -> Any:
    """Import a package. Raises UsageError that says what to install."""
    try:
        return importlib.import_module(package)
    except ImportError:
        raise UsageError(f"{package} is not installed: pip install 'anomaly-harness[{extra}]'") from None


def first_line(error: BaseException) -> str:
    """The type of a library's error and the first of its lines, which are often more than a person wants to read."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


def _keep_onnx(onnx: Path, metadata: str, file: Path) -> None:
    """Take the ONNX file as it is; it holds the metadata already."""
    onnx.rename(file)


def _open_onnx(file: Path, threads: int | None) -> Graph:
    runtime = need("onnxruntime", "onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = (
        3  # errors only; its warnings are about the graph, and no user can do anything about them
    )
    session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, dict(inputs)), strict=True))


def _onnx_metadata(file: Path) -> str:
    runtime = need("onnxruntime", "onnx")
    session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return str(session.get_modelmeta().custom_metadata_map.get(METADATA, ""))


_FLOAT32 = {"INFERENCE_PRECISION_HINT": "f32"}
"""Without this, OpenVINO computes in bfloat16 where the processor can, and scores were wrong by 4 in 1000.

A file cannot ask for it itself."""


def _convert_openvino(onnx: Path, metadata: str, file: Path) -> None:
    """Convert with the core, because `convert_model` reports its use over the network."""
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
"""The engines, by the name of their format."""
