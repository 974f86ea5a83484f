"""From a folder of photos to one detector: audit, try detectors from cheap to dear, choose by a rule, keep it."""

from harness.recommending.answering import recommend

__all__ = ["recommend"]
