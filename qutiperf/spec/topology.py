"""A network that is built from code instead of read from a file."""

from typing import Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from qutiperf.spec.config import Percent, StrictModel, without_unset

NetworkDatatype = Literal["fp32", "fp16", "int8", "int4"]


class Topology(StrictModel):
    """A network built on demand with seeded random weights: speed, but no accuracy.

    `datatype`: fp16, int8 by ONNX Runtime's static quantization, or int4 weights under fp32 activations.
    `sparsity_percent` of its weights are zero, at random places.
    """

    name: str
    channel_scale_percent: Percent = 100.0
    seed: int = 1
    datatype: NetworkDatatype | None = None
    sparsity_percent: Percent | None = None

    @model_serializer(mode="wrap")
    def _as_before(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        return without_unset(serialize(self), "datatype", "sparsity_percent")
