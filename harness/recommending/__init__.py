"""From a folder of photos to one detector: audit the photos, try detectors, choose one by a rule, and keep it."""

from harness.recommending.answering import recommend

__all__ = ["recommend"]
