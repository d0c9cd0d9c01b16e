"""Small torch programs with several tensors."""

import warnings
from pathlib import Path

import torch


class Decaying(torch.nn.Module):
    """next = state / 2 + x, of [1, batch, 2]; out is the same as [batch, 2], x is [batch, 2]."""

    def forward(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        following = state / 2 + x.unsqueeze(0)
        return following.squeeze(0), following


class Named(torch.nn.Module):
    """The sum and the product of real numbers and integers, [batch, 2], by name."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"product": a * b, "sum": a + b}


def decaying(path: Path) -> None:
    """An exported program of any batch if the name ends in .pt2, else TorchScript."""
    example = (torch.zeros(2, 2), torch.zeros(1, 2, 2))
    if path.suffix == ".pt2":
        size = torch.export.Dim("batch")
        shapes = {"x": {0: size}, "state": {1: size}}
        torch.export.save(torch.export.export(Decaying(), example, dynamic_shapes=shapes), path)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(Decaying(), example).save(str(path))


def named(path: Path) -> None:
    size = torch.export.Dim("batch")
    shapes = {"a": {0: size}, "b": {0: size}}
    example = (torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.int64))
    torch.export.save(torch.export.export(Named(), example, dynamic_shapes=shapes), path)
