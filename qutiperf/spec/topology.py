"""A network that is built from code instead of read from a file."""

from typing import Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from qutiperf.spec.config import Percent, StrictModel, without_unset


class Topology(StrictModel):
    """A network built on demand with seeded random weights: speed, but no accuracy.

    `datatype: int8` quantises it statically with ONNX Runtime; `sparsity_percent` of its weights are zero, at
    random places.
    """

    name: str
    channel_scale_percent: Percent = 100.0
    seed: int = 1
    datatype: Literal["fp32", "int8"] | None = None
    sparsity_percent: Percent | None = None

    @model_serializer(mode="wrap")
    def _as_before(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        return without_unset(serialize(self), "datatype", "sparsity_percent")
