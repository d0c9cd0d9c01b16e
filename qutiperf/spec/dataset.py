"""The data of a workload."""

from typing import Annotated, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from qutiperf.spec.config import StrictModel, without_unset
from qutiperf.spec.normalisation import ChannelOrder, NormalisationSpec


class DatasetSpec(StrictModel):
    """A registered dataset by name, its folder or file where it is not shipped, and its own options.

    `normalisation` takes the place of what `preprocessing` does to values, but not to sizes.
    """

    name: str
    split: Literal["train", "test"] = "test"
    directory: str | None = None
    file: str | None = None
    preprocessing: str | None = None
    normalisation: NormalisationSpec | None = None
    channel_order: ChannelOrder | None = None
    count: Annotated[int, Field(ge=1)] | None = None
    seed: int = 1

    @model_serializer(mode="wrap")
    def _as_before(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        return without_unset(serialize(self), "file", "normalisation", "channel_order")
