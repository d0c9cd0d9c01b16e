"""How a model came to be."""

from typing import Annotated

from pydantic import Field

from qutiperf.spec.config import Percent, StrictModel


class Variant(StrictModel):
    """How the model came to be, so that results can be compared along one axis."""

    topology: str | None = None
    channel_scale_percent: Percent | None = None
    weight_datatype: str | None = None
    activation_datatype: str | None = None
    sparsity_percent: Percent | None = None
    training_framework: str | None = None
    converter: str | None = None
    calibration: str | None = None
    tuning: str | None = None
    development_effort_hours: Annotated[float, Field(ge=0)] | None = None
