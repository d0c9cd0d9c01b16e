"""TFLite counting on an interpreter of known tensors and operations."""

from collections.abc import Sequence

import numpy as np
import pytest

from qutiperf.level0.tflite import OperationDetails, TensorDetails, requirements_of_interpreter


class FakeInterpreter:
    """Tensors by number, operations in order; the first tensor is the input."""

    def __init__(
        self, shapes: Sequence[Sequence[int]], operations: Sequence[tuple[str, list[int], int]]
    ) -> None:
        self._shapes, self._operations = shapes, operations

    def allocate_tensors(self) -> None:
        """Nothing to allocate."""

    def resize_tensor_input(self, index: int, sizes: list[int]) -> None:
        """Nothing to resize."""

    def get_tensor_details(self) -> list[TensorDetails]:
        return [
            TensorDetails(index=index, name=f"t{index}", shape=shape, dtype=np.int8)
            for index, shape in enumerate(self._shapes)
        ]

    def get_input_details(self) -> list[TensorDetails]:
        return self.get_tensor_details()[:1]

    def _get_ops_details(self) -> list[OperationDetails]:
        return [
            OperationDetails(index=index, op_name=name, inputs=inputs, outputs=[output])
            for index, (name, inputs, output) in enumerate(self._operations)
        ]


@pytest.mark.parametrize(
    ("shapes", "operation", "expected"),
    [
        # outputs of 8x8x16, each of 3x3x4 products
        ([[1, 8, 8, 4], [16, 3, 3, 4], [16], [1, 8, 8, 16]], "CONV_2D", (2 * 1024 * 36, 576, 16)),
        ([[1, 8, 8, 4], [1, 3, 3, 4], [4], [1, 8, 8, 4]], "DEPTHWISE_CONV_2D", (2 * 256 * 9, 36, 4)),
        ([[3, 10], [5, 10], [5], [3, 5]], "FULLY_CONNECTED", (3 * 2 * 50, 50, 5)),
        # the first input is the shape of the output, then weights, then activations of 4x4x4
        ([[4], [2, 3, 3, 4], [1, 4, 4, 4], [1, 8, 8, 2]], "TRANSPOSE_CONV", (2 * 64 * 18, 72, 0)),
        ([[1, 2, 5, 7], [1, 2, 7, 3], [1], [1, 2, 5, 3]], "BATCH_MATMUL", (2 * 30 * 7, 0, 0)),
    ],
)
def test_products_by_hand(shapes: list[list[int]], operation: str, expected: tuple[float, int, int]) -> None:
    found = requirements_of_interpreter(FakeInterpreter(shapes, [(operation, [0, 1, 2], 3)]), "it")
    assert (found.layers[0].ops, found.weights, found.other_parameters) == expected


def test_totals_are_per_input() -> None:
    operation = ("FULLY_CONNECTED", [0, 1, 2], 3)
    found = requirements_of_interpreter(FakeInterpreter([[3, 10], [5, 10], [5], [3, 5]], [operation]), "it")
    assert (found.batch, found.ops, found.activations) == (3, 100, 5)


def test_bits_delegates_and_unknown_operators() -> None:
    operations = [("RELU", [0], 1), ("SOFTMAX", [1], 2), ("DELEGATE", [0], 2), ("CUSTOM", [2], 3)]
    found = requirements_of_interpreter(FakeInterpreter([[1, 10]] * 4, operations), "it")
    assert found.other_ops == 10 + 50
    assert found.unknown_operators == {"CUSTOM": 1}
    assert found.unknown_share_percent == pytest.approx(100 / 3)
    assert found.layers[0].activation_bits == 8
