"""The trained digits networks as torch programs, from the weights of their fp32 ONNX files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import numpy_helper

from qutiperf.models.digits.topology import SIDE_PIXELS, DigitsTopology
from qutiperf.models.digits.train import KERNEL, TrainedLayer

if TYPE_CHECKING:
    import torch


def save_programs(topologies: Sequence[DigitsTopology], models: Path, directory: Path) -> None:
    """Writes one .pt2 file per network, from the ONNX files in `models`. Needs torch."""
    directory.mkdir(parents=True, exist_ok=True)
    for topology in topologies:
        save_program(topology, models, directory)


def save_program(topology: DigitsTopology, models: Path, directory: Path) -> Path:
    """Writes NAME-fp32.pt2, whose batch is of any size, from models/NAME-fp32.onnx. Needs torch."""
    import torch

    network = network_of(read_layers(topology, models / f"{topology.label}-fp32.onnx")).eval()
    example = torch.zeros(2, 1, SIDE_PIXELS, SIDE_PIXELS)
    batch = {"input": {0: torch.export.Dim("batch")}}
    path = directory / f"{topology.label}-fp32.pt2"
    torch.export.save(torch.export.export(network, (example,), dynamic_shapes=batch), path)
    return path


def read_layers(topology: DigitsTopology, path: Path) -> list[TrainedLayer]:
    """Weights and biases of an fp32 ONNX file; raises KeyError if it is not of this topology."""
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
    return [
        TrainedLayer(layer, stored[f"layer{index}/weight"], stored[f"layer{index}/bias"])
        for index, layer in enumerate(topology.layers)
    ]


def network_of(layers: list[TrainedLayer]) -> torch.nn.Sequential:
    """`torch.nn` with the same operators in the same order as the ONNX graph."""
    from torch import nn

    modules: list[nn.Module] = []
    for index, trained in enumerate(layers):
        if trained.layer.kind == "dense" and (index == 0 or layers[index - 1].layer.kind == "conv"):
            modules.append(nn.Flatten())
        modules.append(_weighted(trained))
        if trained.layer.relu:
            modules.append(nn.ReLU())
        if trained.layer.pool:
            modules.append(nn.MaxPool2d(2))
    return nn.Sequential(*modules)


def _weighted(trained: TrainedLayer) -> torch.nn.Module:
    import torch

    layer = trained.layer
    module: torch.nn.Conv2d | torch.nn.Linear
    if layer.kind == "conv":
        module = torch.nn.Conv2d(layer.inputs, layer.outputs, KERNEL, padding=KERNEL // 2)
    else:
        module = torch.nn.Linear(layer.inputs, layer.outputs)
    module.weight = torch.nn.Parameter(torch.from_numpy(np.array(trained.weight)))
    module.bias = torch.nn.Parameter(torch.from_numpy(np.array(trained.bias)))
    return module
