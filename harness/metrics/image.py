"""The counts and the ranking that metrics of images are made from, as the contract has them."""

from harness.api import Counts, Ranking

__all__ = ["Counts", "Ranking"]
