"""The training loop that most people write, against which ours is raced on CPUs and GPUs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from harness import Images


class Usual(Dataset):
    """Images as most people hand them to a DataLoader."""

    def __init__(self, images: Images) -> None:
        self.pixels = images.pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(self.pixels[index]).permute(2, 0, 1).contiguous().float() / 255


def usual_loop(images: Images, *, batch: int, epochs: int, device: str = "cpu", workers: int = 0) -> Callable[[], None]:
    """Float32, NCHW, a DataLoader, which may have workers; each layer written as the paper names it."""
    layers: list[nn.Module] = []
    for before, after in ((3, 32), (32, 64), (64, 128), (128, 128)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    for before, after in ((128, 128), (128, 128), (128, 64), (64, 32)):
        layers += [nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Conv2d(32, 3, 3, padding=1), nn.Sigmoid()).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)
    pinned = device.startswith("cuda")
    loader = DataLoader(
        Usual(images), batch, shuffle=True, num_workers=workers, pin_memory=pinned, persistent_workers=workers > 0
    )

    def fit() -> None:
        for _ in range(epochs):
            for pixels in loader:
                clean = pixels.to(device, non_blocking=True)
                noisy = (clean + 0.1 * torch.randn_like(clean)).clamp(0, 1)
                loss = functional.mse_loss(network(noisy), clean)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()

    return fit
