"""The contract: the kinds of part, and the values that pass between them and the harness."""

from harness.api.parts import Dataset, Encoder, Loss, Model, OracleThreshold, Part, Pool, Threshold
from harness.api.running import Executor, TrackedTrial, Tracker
from harness.api.values import GOOD, BoolArray, FloatArray, Images, Progress, Run, Scores, Split

__all__ = [
    "GOOD",
    "BoolArray",
    "Dataset",
    "Encoder",
    "Executor",
    "FloatArray",
    "Images",
    "Loss",
    "Model",
    "OracleThreshold",
    "Part",
    "Pool",
    "Progress",
    "Run",
    "Scores",
    "Split",
    "Threshold",
    "TrackedTrial",
    "Tracker",
]
