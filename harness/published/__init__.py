"""Published numbers: found, read, checked by arithmetic, and compared with ours."""

from harness.published.checks import Finding, check
from harness.published.printed import Printed
from harness.published.reading import folder, load, official_counts, read, shipped
from harness.published.table import MEAN, METRICS, NOT_STATED, PublishedTable, Row, SplitCounts

__all__ = [
    "MEAN",
    "METRICS",
    "NOT_STATED",
    "Finding",
    "Printed",
    "PublishedTable",
    "Row",
    "SplitCounts",
    "check",
    "folder",
    "load",
    "official_counts",
    "read",
    "shipped",
]
