"""Data sets: the published layouts, one's own folders, and images made on the spot."""

from __future__ import annotations

from collections.abc import Iterable

from harness import Dataset, hookimpl


@hookimpl
def harness_datasets() -> Iterable[type[Dataset]]:
    """Offer the published ones, one's own images as folders or as a table, and those that need no files."""
    from harness_datasets.folders import FolderDataset
    from harness_datasets.kolektor import KolektorSdd2
    from harness_datasets.loco import MvtecLoco
    from harness_datasets.photos import Photos
    from harness_datasets.published import Btad, Mpdd, MvtecAd, MvtecAd2
    from harness_datasets.real_iad import RealIad
    from harness_datasets.synthetic import Synthetic
    from harness_datasets.table import TableDataset
    from harness_datasets.visa import Visa

    return [
        MvtecAd,
        MvtecAd2,
        MvtecLoco,
        Visa,
        Btad,
        Mpdd,
        KolektorSdd2,
        RealIad,
        FolderDataset,
        TableDataset,
        Photos,
        Synthetic,
    ]
