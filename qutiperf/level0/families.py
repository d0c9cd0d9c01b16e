"""The terms that a fit may choose for each family of platforms, the most common ones first."""

from collections.abc import Mapping

from qutiperf.spec.level0_terms import Terms

_GPU = Terms(call="layer", call_follows_clock=True, activations=True, overlap=True, tile=[1, 64])
_STICK = Terms(call="once", input="layer", weights="per_input", overlap=True)
_EDGE = Terms(call="once", weights="on_chip", link=True, activations=True)
_DPU = Terms(call="once", input="layer", activations=True, tile=[16, 16])
_CPU = Terms(call="layer", input="position", dense_batch_tile=8, dense_efficiency=True)
_SERIAL = Terms(call="layer", input="position", weights="per_batch", bit_serial=True)
_DATAFLOW = Terms(call="none", weights="on_chip", pipelined=True)
_GENERIC = Terms(call="once")
_HOST = Terms(call="once", nodes=True, weights="cached")


def _with(terms: Terms, **changes: object) -> Terms:
    return terms.model_copy(update=changes)


FAMILIES: Mapping[str, tuple[Terms, ...]] = {
    "gpu": (
        _GPU,
        _with(_GPU, overlap=False),
        _with(_GPU, tile=[1, 32]),
        _with(_GPU, tile=[8, 64]),
        _with(_GPU, dense_efficiency=True),
    ),
    "usb-vliw": (
        _STICK,
        _with(_STICK, activations=True),
        _with(_STICK, input="once"),
        _with(_STICK, overlap=False),
    ),
    "edge-tpu": (
        _EDGE,
        _with(_EDGE, tile=[8, 8]),
        _with(_EDGE, activations=False),
        _with(_EDGE, activations=False, depthwise_efficiency=True),
    ),
    "dpu": (
        _DPU,
        _with(_DPU, tile=[8, 8]),
        _with(_DPU, tile=[8, 8], overlap=True),
        _with(_DPU, activations=False),
    ),
    "embedded-cpu": (_CPU, _with(_CPU, dense_efficiency=False), _with(_CPU, dense_batch_tile=1)),
    "bit-serial-fpga": (
        _SERIAL,
        _with(_SERIAL, activations=True),
        _with(_SERIAL, weights="per_input"),
        _with(_SERIAL, bit_serial=False),
    ),
    "dataflow-fpga": (_DATAFLOW, _with(_DATAFLOW, tile=[16, 16]), _with(_DATAFLOW, tile=[8, 8])),
    "cpu": (
        _GENERIC,
        _HOST,
        _with(_HOST, activations=True),
        _with(_HOST, dense_efficiency=True, depthwise_efficiency=True),
        _with(_GENERIC, activations=True),
        _with(_GENERIC, call="layer", activations=True),
        _with(_GENERIC, input="layer", activations=True),
        _with(_GENERIC, call="layer", weights="on_chip"),
        _with(_GENERIC, call="layer", input="layer", weights="on_chip"),
    ),
}


def candidates(family: str) -> tuple[Terms, ...]:
    """The candidates of a family; an unlisted family has the default ones."""
    return FAMILIES.get(family, FAMILIES["cpu"])
