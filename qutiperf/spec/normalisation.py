"""How the values of samples are scaled before they go to a model."""

from typing import Annotated, Literal

from pydantic import Field

from qutiperf.spec.config import StrictModel

ChannelOrder = Literal["rgb", "bgr"]
Positive = Annotated[float, Field(ge=1e-30, le=1e30)]  # so that a float32 holds it
Mean = Annotated[float, Field(ge=-1e30, le=1e30)]


class NormalisationSpec(StrictModel):
    """`(value * scale - mean) / std`; mean and std are one number, or one for red, green and blue.

    The values of an image dataset are from 0 to 1, those of npz are as in its file.
    """

    scale: Positive = 1.0
    mean: Annotated[list[Mean], Field(min_length=1, max_length=3)] = [0.0]
    std: Annotated[list[Positive], Field(min_length=1, max_length=3)] = [1.0]
