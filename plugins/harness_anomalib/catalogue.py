"""Which models of anomalib 2.7 there are, and what each needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One model of anomalib."""

    cls: str
    """The name of its class in `anomalib.models`."""
    trained: bool = True
    """Whether it learns in epochs; others remember features in one pass."""
    download: str = ""
    """What it fetches beside an encoder's weights from timm's hub; empty if nothing."""


TORCHVISION = "an encoder's weights that torchvision fetches, whatever weights are asked for"

ONE_CLASS: Mapping[str, Entry] = {
    "anomaly_dino": Entry("AnomalyDINO", trained=False),
    "cfa": Entry("Cfa", download=TORCHVISION),
    "cflow": Entry("Cflow"),
    "cfm": Entry("CFM", download="weights of a point cloud network, and depth images, which no data set here has"),
    "csflow": Entry("Csflow", download=TORCHVISION),
    "dfkde": Entry("Dfkde", trained=False),
    "dfm": Entry("Dfm", trained=False),
    "dinomaly": Entry("Dinomaly"),
    "draem": Entry("Draem", download="the Describable Textures Dataset (600 MB)"),
    "dsr": Entry("Dsr", download="weights of its quantised autoencoder"),
    "efficient_ad": Entry("EfficientAd", download="weights of its teacher, and Imagenette (1.5 GB)"),
    "fastflow": Entry("Fastflow"),
    "foundad": Entry("FoundAD"),
    "fre": Entry("Fre"),
    "ganomaly": Entry("Ganomaly"),
    "general_ad": Entry("GeneralAD"),
    "glass": Entry("Glass"),
    "inp_former": Entry("InpFormer"),
    "l2bt": Entry("L2BT"),
    "mh_patchcore": Entry("MHPatchcore", trained=False),
    "padim": Entry("Padim", trained=False),
    "patchcore": Entry("Patchcore", trained=False),
    "patchflow": Entry("Patchflow"),
    "rad": Entry("Rad", trained=False),
    "reverse_distillation": Entry("ReverseDistillation"),
    "stfpm": Entry("Stfpm"),
    "super_add": Entry("SuperADD", trained=False),
    "supersimplenet": Entry("Supersimplenet"),
    "uflow": Entry("Uflow"),
    "uninet": Entry("UniNet", download=TORCHVISION),
}
"""Those that learn from normal images.

anomalib also lists models of videos (ai_vad, fuvas), and some that learn from no images (winclip, vlm_ad, anomalyvfm).
"""
