"""How a layer, stack or block is built: datatypes, sparsity, copies of the weights."""

from typing import Annotated, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from qutiperf.spec.config import StrictModel, without_unset

DatatypeName = Literal["fp32", "fp16", "bf16", "int8", "int4", "int2"]
WEIGHTS_ALONE = ("int4", "int2")  # datatypes of weights, with activations in fp32
WEIGHT_BLOCK = 32  # inputs that share a scale, of weights in int4 and int2
_DTYPES = {"fp16": "float16", "bf16": "bfloat16", "int8": "uint8"}
BYTES_OF_WEIGHT = {"fp32": 4.0, "fp16": 2.0, "bf16": 2.0, "int8": 1.0, "int4": 0.5, "int2": 0.25}


class Build(StrictModel):
    """How a part is built: its datatype, the share of zero weights, and the copies that are used in turn.

    int8 is quantised with QuantizeLinear and DequantizeLinear: uint8 in and out, int8 weights. int4 and int2
    are datatypes of the weights alone, of dense layers and projections: blocks of 32 inputs have a scale, and
    activations are fp32. `datatypes` has one for each layer of a stack, of which `datatype` is the first.
    Sparsity is in percent, at random places, or 2:4 (two of four neighbours). With several copies each call
    uses the next one, so that the weights come from memory instead of a cache.
    """

    datatype: DatatypeName = "fp32"
    datatypes: list[DatatypeName] | None = None
    sparsity: Literal[0, 50, 75, 90, "2:4"] = 0
    weight_copies: Annotated[int, Field(ge=1, le=256)] = 1
    seed: Annotated[int, Field(ge=0, le=2**32)] = 1

    @model_validator(mode="before")
    @classmethod
    def _first_datatype(cls, data: object) -> object:
        """`datatype` is that of the first layer; raises ValueError if it is another one."""
        if (
            not isinstance(data, dict)
            or not isinstance(several := data.get("datatypes"), list)
            or not several
        ):
            return data
        if data.get("datatype", several[0]) != several[0]:
            raise ValueError(f"datatypes: begins with {several[0]}, but datatype is {data['datatype']}")
        return {**data, "datatype": several[0]}

    @model_serializer(mode="wrap")
    def _as_before(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Without an unset `datatypes`, so that records of other parts stay as they were."""
        return without_unset(serialize(self), "datatypes")

    @property
    def dtype(self) -> str:
        """Of the inputs, as in InputSpec."""
        return _DTYPES.get(self.datatype, "float32")

    @property
    def output_dtype(self) -> str:
        return _DTYPES.get(self.datatypes[-1] if self.datatypes else self.datatype, "float32")

    @property
    def mixed(self) -> bool:
        return self.datatypes is not None and len(set(self.datatypes)) > 1

    @property
    def weight_bytes(self) -> float:
        """Of one weight, of the first layer; without the scales of blocks."""
        return BYTES_OF_WEIGHT[self.datatype]

    @property
    def activation_bytes(self) -> int:
        """Of one element of the input."""
        return 4 if self.datatype in WEIGHTS_ALONE else int(BYTES_OF_WEIGHT[self.datatype])

    @property
    def label(self) -> str:
        """`int8`, or the datatypes of a stack: `int8+fp32`."""
        return "+".join(self.datatypes) if self.datatypes and self.mixed else self.datatype
