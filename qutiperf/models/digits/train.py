"""Training of one digits network on one CPU thread; on one machine the result is always the same."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qutiperf.errors import SetupError
from qutiperf.models.digits.images import Digits
from qutiperf.models.digits.topology import DigitsTopology, Layer

if TYPE_CHECKING:
    import torch

KERNEL = 3


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train, as chosen on 297 held-out training images; the rate is a cosine's peak."""

    epochs: int = 150
    batch_size: int = 64
    learning_rate: float = 1e-2
    weight_decay: float = 0.1
    label_smoothing: float = 0.05
    warm_up_share: float = 0.05
    rotation_degrees: float = 10.0
    shift_pixels: float = 0.7
    scale_share: float = 0.1
    seed: int = 1


@dataclass(frozen=True, slots=True)
class TrainedLayer:
    """Batch normalisation folded in: weight [outputs, inputs(, 3, 3)], bias [outputs], both float32."""

    layer: Layer
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


def train(topology: DigitsTopology, digits: Digits, recipe: Recipe) -> list[TrainedLayer]:
    """Sets threads and seed of torch for the whole process; raises SetupError without torch."""
    try:
        import torch
    except ModuleNotFoundError:
        raise SetupError("torch is not installed", cure="pip install 'qutiperf[train]'") from None
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(recipe.seed)
    network = _build(topology)
    _fit(network, torch.from_numpy(digits.images), torch.from_numpy(digits.labels), recipe)
    return _fold(topology, network.eval())


def _build(topology: DigitsTopology) -> torch.nn.Sequential:
    from torch import nn

    modules: list[nn.Module] = []
    for index, layer in enumerate(topology.layers):
        if layer.kind == "dense" and (index == 0 or topology.layers[index - 1].kind == "conv"):
            modules.append(nn.Flatten())
        modules += _modules(layer)
    return nn.Sequential(*modules)


def _modules(layer: Layer) -> list[torch.nn.Module]:
    """Without a bias: the batch normalisation that follows every layer, the last too, has one."""
    from torch import nn

    modules: list[nn.Module]
    if layer.kind == "conv":
        weights = nn.Conv2d(layer.inputs, layer.outputs, KERNEL, padding=KERNEL // 2, bias=False)
        modules = [weights, nn.BatchNorm2d(layer.outputs)]
    else:
        modules = [nn.Linear(layer.inputs, layer.outputs, bias=False), nn.BatchNorm1d(layer.outputs)]
    if layer.relu:
        modules.append(nn.ReLU())
    if layer.pool:
        modules.append(nn.MaxPool2d(2))
    return modules


def _fit(network: torch.nn.Sequential, images: torch.Tensor, labels: torch.Tensor, recipe: Recipe) -> None:
    """Leaves out the rest of each epoch that fills no batch: statistics of few images would be poor."""
    import torch

    steps = len(images) // recipe.batch_size
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: _rate(step, steps * recipe.epochs, recipe)
    )
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    for _ in range(recipe.epochs):
        for chosen in torch.randperm(len(images))[: steps * recipe.batch_size].view(steps, -1):
            optimiser.zero_grad()
            loss_of(network(_augment(images[chosen], recipe)), labels[chosen]).backward()
            optimiser.step()
            schedule.step()


def _rate(step: int, steps: int, recipe: Recipe) -> float:
    """Share of the peak learning rate at one step: a straight line up, then half a cosine down to 0."""
    warm_up = max(1, round(steps * recipe.warm_up_share))
    if step < warm_up:
        return (step + 1) / warm_up
    return (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up))) / 2


def _augment(images: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """Rotates, scales and shifts each image by its own random amount; new pixels at the border are 0."""
    import torch

    def spread(limit: float) -> torch.Tensor:
        return (torch.rand(len(images)) * 2 - 1) * limit

    angle = torch.deg2rad(spread(recipe.rotation_degrees))
    cosine = torch.cos(angle) * (1 + spread(recipe.scale_share))
    sine = torch.sin(angle) * (1 + spread(recipe.scale_share))
    shift = 2 * recipe.shift_pixels / images.shape[-1]
    rows = torch.stack([cosine, -sine, spread(shift), sine, cosine, spread(shift)], dim=1)
    grid = torch.nn.functional.affine_grid(rows.view(-1, 2, 3), list(images.shape), align_corners=False)
    return torch.nn.functional.grid_sample(images, grid, align_corners=False)


def _fold(topology: DigitsTopology, network: torch.nn.Sequential) -> list[TrainedLayer]:
    """Folds each batch normalisation into the weights before it, in float64."""
    from torch import nn

    weighted = [module for module in network if isinstance(module, nn.Conv2d | nn.Linear)]
    norms = [module for module in network if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    return [_folded(*parts) for parts in zip(topology.layers, weighted, norms, strict=True)]


def _folded(layer: Layer, weighted: torch.nn.Module, norm: torch.nn.Module) -> TrainedLayer:
    values = {name: value.detach().double().numpy() for name, value in norm.state_dict().items()}
    weight = weighted.state_dict()["weight"].detach().double().numpy()
    gain = values["weight"] / np.sqrt(values["running_var"] + norm.eps)
    bias = values["bias"] - values["running_mean"] * gain
    scaled = weight * gain.reshape(-1, *[1] * (weight.ndim - 1))
    return TrainedLayer(layer, scaled.astype(np.float32), bias.astype(np.float32))
