"""Runtimes behind one interface (`base`), and how they are found (`registry`).

This file, `base` and the shipped adapters need the standard library, numpy and their runtime only, in
Python 3.9 syntax: they also run on devices.
"""

ADAPTERS = {
    "litert": "qutiperf.adapters.litert:LiteRt",
    "onnxruntime": "qutiperf.adapters.onnxruntime:OnnxRuntime",
    "open_inference": "qutiperf.adapters.open_inference:OpenInference",
    "openvino": "qutiperf.adapters.openvino:OpenVino",
    "simulated": "qutiperf.adapters.simulated:Simulated",
    "torch": "qutiperf.adapters.torch:Torch",
}
