"""The digits models as TFLite files, from the weights of their fp32 ONNX files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from qutiperf.errors import QutiperfError, SetupError
from qutiperf.models.digits.export_torch import network_of, read_layers
from qutiperf.models.digits.images import SHIPPED_DIGITS, Digits, read_digits
from qutiperf.models.digits.manifest import (
    Manifest,
    ShippedModel,
    TfliteFile,
    TfliteTensor,
    accuracies_percent,
    read_manifest,
    run_onnx,
    tflite_table,
    write_manifest,
)
from qutiperf.models.digits.topology import SIDE_PIXELS, topology
from qutiperf.models.digits.workloads import write_workloads
from qutiperf.spec.config import sha256_of_file
from qutiperf.spec.workload import QuantizationSpec

CONVERTERS = ("litert-torch", "ai-edge-quantizer", "ai-edge-litert")
_SIGNATURE = "serving_default"  # of what litert-torch writes


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the files, the manifest and the workloads; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m qutiperf.models.digits.export_tflite", description=__doc__
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the ONNX files and their manifest")
    parser.add_argument("--workloads", type=Path, help="folder for one workload YAML per model")
    options = parser.parse_args(arguments)
    try:
        manifest = convert_all(options.out)
    except QutiperfError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    if options.workloads is not None:
        write_workloads(manifest, options.out, options.workloads)
    sys.stdout.write(f"{tflite_table(manifest)}\n")
    return 0


def convert_all(directory: Path) -> Manifest:
    """Writes NAME.tflite beside each ONNX file, and the manifest with both."""
    manifest, versions = read_manifest(directory), _converter_versions()
    training, test = read_digits(SHIPPED_DIGITS, "train"), read_digits(SHIPPED_DIGITS, "test")
    models = [_converted(model, directory, training, test) for model in manifest.models]
    made = manifest.model_copy(update={"models": tuple(models), "tools": {**manifest.tools, **versions}})
    write_manifest(made, directory)
    return made


def _converter_versions() -> dict[str, str]:
    try:
        return {tool: metadata.version(tool) for tool in CONVERTERS}
    except metadata.PackageNotFoundError as error:
        raise SetupError(f"{error.name} is not installed", cure="pip install 'qutiperf[train]'") from None


def _converted(model: ShippedModel, directory: Path, training: Digits, test: Digits) -> ShippedModel:
    """The model with its TFLite file; quantized ones are made from the fp32 one, which comes first."""
    path, single = directory / f"{model.name}.tflite", directory / f"{_label(model)}-fp32.tflite"
    if model.datatype == "fp32":
        _convert(model, directory, path)
    elif model.datatype == "int8":
        _quantize_int8(single, training, path)
    else:
        _quantize_int4(single, path)
    return model.model_copy(update={"tflite": _measured(path, directory / model.file, test)})


def _label(model: ShippedModel) -> str:
    return model.name.removesuffix(f"-{model.datatype}")


def _convert(model: ShippedModel, directory: Path, path: Path) -> None:
    import litert_torch
    import torch

    made = topology(model.topology, model.channel_scale_percent)
    network = network_of(read_layers(made, directory / model.file)).eval()
    example = torch.zeros(1, 1, SIDE_PIXELS, SIDE_PIXELS)
    litert_torch.convert(network, (example,)).export(str(path))
    path.write_bytes(of_any_batch(path.read_bytes()))


def of_any_batch(file: bytes) -> bytes:
    """The same graph for batches of any size: litert-torch 0.10.0 cannot lower a Flatten of one.

    Sets the batch to -1 in the tensors' signatures and in RESHAPE, the only operator with its own batch.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(file))
    [graph] = model.subgraphs
    for tensor in graph.tensors:
        if model.buffers[tensor.buffer].data is None and len(tensor.shape) > 1:
            tensor.shapeSignature = [-1, *tensor.shape[1:]]
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        if code.builtinCode == schema.BuiltinOperator.RESHAPE:
            buffer = model.buffers[graph.tensors[operator.inputs[1]].buffer]
            buffer.data = np.frombuffer(_free(bytes(buffer.data)), np.uint8)
            operator.builtinOptions = None
            operator.builtinOptionsType = schema.BuiltinOptions.NONE
    builder = flatbuffers.Builder(len(file))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _free(shape: bytes) -> bytes:
    sizes = np.frombuffer(shape, np.int32)
    return np.array([-1, *sizes[1:]], np.int32).tobytes()


def _quantize_int8(single: Path, training: Digits, path: Path) -> None:
    """Weights and activations int8, their ranges from all training images.

    In one batch, as the quantizer averages the ranges of batches: of single images it would clip most.
    """
    from ai_edge_quantizer import quantizer, recipe

    model = quantizer.Quantizer(str(single), recipe.static_wi8_ai8())
    name = _interpreter(single).get_signature_list()[_SIGNATURE]["inputs"][0]
    model.quantize(model.calibrate({_SIGNATURE: [{name: training.images}]})).export_model(
        str(path), overwrite=True
    )
    path.chmod(0o644)


def _quantize_int4(single: Path, path: Path) -> None:
    """Weights int4, one scale per output channel; activations and the first convolution stay fp32.

    That one, of a single input channel, is a DEPTHWISE_CONV_2D in TFLite, which has no int4.
    """
    from ai_edge_quantizer import quantizer, recipe

    model = quantizer.Quantizer(str(single), recipe.weight_only_wi4_afp32())
    model.quantize().export_model(str(path), overwrite=True)
    path.chmod(0o644)


def _measured(path: Path, onnx: Path, test: Digits) -> TfliteFile:
    interpreter = _interpreter(path)
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    given, answered = _tensor(source), _tensor(result)
    scores, expected = run_tflite(path, given, test.images), run_onnx(onnx, test.images)
    same = scores.argmax(axis=1) == expected.argmax(axis=1)
    top1, top5 = accuracies_percent(scores, test)
    return TfliteFile(
        file=path.name,
        sha256=sha256_of_file(path),
        size_bytes=path.stat().st_size,
        input=given,
        output=answered,
        top1_percent=top1,
        top5_percent=top5,
        same_as_onnx_percent=round(100 * float(same.mean()), 4),
    )


def run_tflite(path: Path, given: TfliteTensor, images: Any) -> Any:  # noqa: ANN401  # arrays of untyped packages
    """Scores, in the integers of the file where it is quantized, of images in one batch."""
    interpreter = _interpreter(path)
    [source], [result] = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(source["index"], images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source["index"], _in_integers(images, given))
    interpreter.invoke()
    return interpreter.get_tensor(result["index"])


def _in_integers(images: Any, given: TfliteTensor) -> Any:  # noqa: ANN401  # arrays of untyped packages
    if given.quantization is None:
        return images
    scale, zero_point = given.quantization.scale, given.quantization.zero_point
    return np.clip(np.rint(images / scale) + zero_point, -128, 127).astype(np.int8)


def _interpreter(path: Path) -> Any:  # noqa: ANN401  # no types published
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(str(path), num_threads=1)


def _tensor(details: Mapping[str, Any]) -> TfliteTensor:
    scale, zero_point = details["quantization"]
    quantization = (
        QuantizationSpec(scale=float(str(np.float32(scale))), zero_point=int(zero_point)) if scale else None
    )
    return TfliteTensor(
        name=details["name"], dtype=np.dtype(details["dtype"]).name, quantization=quantization
    )


if __name__ == "__main__":
    sys.exit(main())
