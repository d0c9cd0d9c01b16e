"""The terms of the refined level-0 prediction that a platform declares, and their fitted constants."""

from typing import Annotated, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from qutiperf.spec.config import StrictModel

Times = Literal["none", "once", "layer", "position"]
Positive = Annotated[float, Field(gt=0)]
CONSTANTS = {
    "call_us": "fixed time of a call, each layer or each output position (`call`), microseconds",
    "node_us": "time of each node that computes, per call (`nodes`), microseconds",
    "input_us": "time of each input, per input, layer or output position (`input`), microseconds",
    "memory_efficiency": "achieved share of the memory bandwidth",
    "compute_efficiency": "achieved share of the peak",
    "dense_efficiency": "achieved share in dense layers relative to convolutions",
    "depthwise_efficiency": "achieved share in depthwise layers relative to other layers",
    "fill_inputs": "inputs' worth of time to fill a dataflow pipeline",
    "link_gb_s": "rate at which weights beyond the on-chip memory arrive, GB/s",
}


class Terms(StrictModel):
    """The terms of the time of a batch on this kind of hardware, explained in level0/predict.py."""

    call: Times = "once"
    call_follows_clock: bool = False
    input: Times = "none"
    nodes: bool = False
    weights: Literal["per_batch", "per_input", "on_chip", "cached"] = "per_batch"
    activations: bool = False
    overlap: bool = False
    tile: Annotated[list[int], Field(min_length=2, max_length=2)] = [1, 1]
    dense_batch_tile: Annotated[int, Field(ge=1)] = 1
    dense_efficiency: bool = False
    depthwise_efficiency: bool = False
    bit_serial: bool = False
    pipelined: bool = False
    link: bool = False

    @model_serializer(mode="wrap")
    def _as_before(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Without `nodes` where it is not used, so that the digests of older systems stay."""
        return {name: value for name, value in serialize(self).items() if name != "nodes" or value}

    @property
    def constants(self) -> tuple[str, ...]:
        """Names of the constants that these terms need, in the order of a fit."""
        names = ["compute_efficiency"]
        if self.call != "none":
            names.append("call_us")
        if self.nodes:
            names.append("node_us")
        if self.input != "none":
            names.append("input_us")
        if self.weights != "on_chip" or self.activations:
            names.append("memory_efficiency")
        names += [name for name in ("dense_efficiency", "depthwise_efficiency") if getattr(self, name)]
        if self.pipelined:
            names.append("fill_inputs")
        if self.link:
            names.append("link_gb_s")
        return tuple(names)


class Calibration(StrictModel):
    """Terms with fitted constants, the number of measured points, and how well the fit extrapolates.

    `error_factor` is the geometric mean error of leaving one network out; with `interval_factor` f, the
    expected range of a network that was not measured is predicted / f ... predicted x f.
    """

    terms: Terms
    constants: dict[str, Positive]
    points: Annotated[int, Field(ge=1)] | None = None
    networks: Annotated[int, Field(ge=1)] | None = None
    error_factor: Annotated[float, Field(ge=1)] | None = None
    interval_factor: Annotated[float, Field(ge=1)] | None = None
    source: str
