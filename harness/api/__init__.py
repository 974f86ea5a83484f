"""The contract with plugins: the kinds of part, and the values that are passed between parts and the harness."""

from harness.api.corruptions import Corruption
from harness.api.defects import Defect
from harness.api.parts import (
    CountMetric,
    Dataset,
    Encoder,
    Loss,
    Metric,
    Model,
    OracleThreshold,
    Part,
    PixelMetric,
    Pool,
    ScoreMetric,
    Threshold,
)
from harness.api.pixels import PixelCounts
from harness.api.running import Executor, TrackedTrial, Tracker
from harness.api.scored import Counts, Interval, Ranking, Rankings
from harness.api.values import (
    GOOD,
    Archive,
    BoolArray,
    Finding,
    FloatArray,
    Images,
    Progress,
    Region,
    Run,
    Scores,
    Split,
)

__all__ = [
    "GOOD",
    "Archive",
    "BoolArray",
    "Corruption",
    "CountMetric",
    "Counts",
    "Dataset",
    "Defect",
    "Encoder",
    "Executor",
    "Finding",
    "FloatArray",
    "Images",
    "Interval",
    "Loss",
    "Metric",
    "Model",
    "OracleThreshold",
    "Part",
    "PixelCounts",
    "PixelMetric",
    "Pool",
    "Progress",
    "Ranking",
    "Rankings",
    "Region",
    "Run",
    "ScoreMetric",
    "Scores",
    "Split",
    "Threshold",
    "TrackedTrial",
    "Tracker",
]
