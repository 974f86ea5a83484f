"""A stranger's loss, written against contract 1."""

from __future__ import annotations

from dataclasses import dataclass

from harness import Loss, hookimpl


@dataclass
class StrangerHuber(Loss):
    """The squared error for small errors, the absolute one for large ones."""

    name = "stranger_huber"
    licence = "MIT"
    turn: float = 0.1

    def error_map(self, output, target):
        error = (output - target).abs()
        return (error.square() / (2 * self.turn)).where(error < self.turn, error - self.turn / 2).mean(dim=1)


@hookimpl
def harness_losses():
    return [StrangerHuber]
