"""Data sets: the published layouts, one's own folders, and images made on the spot."""

from __future__ import annotations

from collections.abc import Iterable

from harness import Dataset, hookimpl


@hookimpl
def harness_datasets() -> Iterable[type[Dataset]]:
    """Offer `mvtec_ad`, `mvtec_ad_2`, `mvtec_loco`, `visa`, `btad`, `folder`, `photos` and `synthetic`."""
    from harness_datasets.folders import FolderDataset
    from harness_datasets.photos import Photos
    from harness_datasets.published import Btad, MvtecAd, MvtecAd2, MvtecLoco
    from harness_datasets.synthetic import Synthetic
    from harness_datasets.visa import Visa

    return [MvtecAd, MvtecAd2, MvtecLoco, Visa, Btad, FolderDataset, Photos, Synthetic]
