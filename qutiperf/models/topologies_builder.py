"""Writes networks as ONNX graphs layer by layer; weights are declared first and drawn at the end."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper

OPSET = 17
Attributes = dict[str, int | list[int]]
IR_VERSION = 8


@dataclass(slots=True)
class NetworkBuilder:
    """Collects nodes and weight declarations; every method returns the name of its output tensor
    and raises ValueError when the input is too small for the layer.

    Feature maps are batch x channels x height x width; `channels` and `sizes` follow each tensor so that
    a layer needs only its number of filters. Batch normalisation is folded into bias, as deployed.
    """

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)
    channels: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def input(self, name: str, channels: int, size: int) -> str:
        """Declares a square feature map of `size` x `size` (1 for vectors)."""
        self.channels[name], self.sizes[name] = channels, size
        return name

    def conv(
        self,
        name: str,
        tensor: str,
        filters: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        padding: int | None = None,
        relu: bool = True,
    ) -> str:
        """A convolution with bias; `padding` None keeps the size (divided by the stride, rounded up)."""
        size = self.sizes[tensor]
        begin, end = _padding(size, kernel, stride, padding)
        out_size = (size + begin + end - kernel) // stride + 1
        inputs = [
            tensor,
            self._weight(f"{name}.weight", [filters, self.channels[tensor] // groups, kernel, kernel]),
            self._weight(f"{name}.bias", [filters]),
        ]
        attributes: Attributes = {
            "kernel_shape": [kernel, kernel],
            "strides": [stride, stride],
            "group": groups,
        }
        output = self._add(
            "Conv", name, inputs, filters, out_size, pads=[begin, begin, end, end], **attributes
        )
        return self._add("Relu", f"{name}.relu", [output], filters, out_size) if relu else output

    def pool(
        self, name: str, tensor: str, kernel: int, stride: int, *, ceil: bool = False, padding: int = 0
    ) -> str:
        """Max pooling; `ceil` counts the window that is only partly inside, as Caffe does."""
        span = self.sizes[tensor] + 2 * padding - kernel
        out_size = (math.ceil(span / stride) if ceil else span // stride) + 1
        return self._add(
            "MaxPool",
            name,
            [tensor],
            self.channels[tensor],
            out_size,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[padding] * 4,
            ceil_mode=int(ceil),
        )

    def add(self, name: str, left: str, right: str, *, relu: bool) -> str:
        channels, size = self.channels[left], self.sizes[left]
        output = self._add("Add", name, [left, right], channels, size)
        return self._add("Relu", f"{name}.relu", [output], channels, size) if relu else output

    def concat(self, name: str, tensors: Sequence[str]) -> str:
        channels = sum(self.channels[tensor] for tensor in tensors)
        return self._add("Concat", name, list(tensors), channels, self.sizes[tensors[0]], axis=1)

    def global_average(self, name: str, tensor: str) -> str:
        return self._add("GlobalAveragePool", name, [tensor], self.channels[tensor], 1)

    def flatten(self, name: str, tensor: str) -> str:
        features = self.channels[tensor] * self.sizes[tensor] ** 2
        return self._add("Flatten", name, [tensor], features, 1, axis=1)

    def dense(self, name: str, tensor: str, outputs: int, *, relu: bool) -> str:
        inputs = [
            tensor,
            self._weight(f"{name}.weight", [outputs, self.channels[tensor]]),
            self._weight(f"{name}.bias", [outputs]),
        ]
        output = self._add("Gemm", name, inputs, outputs, 1, transB=1)
        return self._add("Relu", f"{name}.relu", [output], outputs, 1) if relu else output

    def _weight(self, name: str, dims: Sequence[int]) -> str:
        self.weights.append(TensorProto(name=name, dims=dims, data_type=TensorProto.FLOAT))
        return name

    def _add(
        self,
        operator: str,
        name: str,
        inputs: Sequence[str],
        channels: int,
        size: int,
        **attributes: int | list[int],
    ) -> str:
        if size < 1:
            raise ValueError(f"the feature map of {name} has no pixel left")
        node = helper.make_node(operator, inputs, [f"{name}.out"], name=name)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        self.channels[f"{name}.out"], self.sizes[f"{name}.out"] = channels, size
        return f"{name}.out"

    def model(self, name: str, source: str, shape: Sequence[int | str], result: str) -> onnx.ModelProto:
        """The whole network, weights declared without data; renames the result to `scores`."""
        batch, classes = shape[0], self.channels[result]
        self.nodes[-1].output[0] = "scores"
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info(source, TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, classes])],
            initializer=self.weights,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, producer_name="qutiperf", ir_version=IR_VERSION, opset_imports=opsets)


def _padding(size: int, kernel: int, stride: int, padding: int | None) -> tuple[int, int]:
    """Rows before and after; `None` is TensorFlow's SAME: out = ceil(size / stride), odd row at the end."""
    if padding is not None:
        return padding, padding
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def draw_weights(model: onnx.ModelProto, seed: int, sparsity_percent: float = 0.0) -> None:
    """Fills the declared weights in place: normal with variance 2/fan-in (He et al. 2015), zero bias.

    The zeros of a sparse network are at random places; its other weights are those of the dense one.
    """
    generator, places = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    for tensor in model.graph.initializer:
        if len(tensor.dims) == 1:
            values = np.zeros(tensor.dims[0], np.float32)
        else:
            deviation = math.sqrt(2 / math.prod(tensor.dims[1:]))
            values = generator.standard_normal(math.prod(tensor.dims), np.float32)
            values *= np.float32(deviation)
            if sparsity_percent:
                values[places.random(len(values), np.float32) < sparsity_percent / 100] = 0
        tensor.raw_data = values.astype("<f4", copy=False).tobytes()
