"""Trains, converts, quantises and measures the digits models: about two minutes on one core."""

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from qutiperf.errors import InputError, QutiperfError
from qutiperf.models.digits.export_onnx import build_model, float_weights
from qutiperf.models.digits.export_torch import save_programs
from qutiperf.models.digits.images import SHIPPED_DIGITS, Digits, read_digits, write_digits
from qutiperf.models.digits.manifest import (
    Manifest,
    ShippedModel,
    markdown_table,
    save_model,
    tool_versions,
    write_manifest,
)
from qutiperf.models.digits.quantise import int4_weights, quantise_int8
from qutiperf.models.digits.topology import DigitsTopology, all_topologies
from qutiperf.models.digits.train import Recipe, train
from qutiperf.models.digits.workloads import write_workloads
from qutiperf.spec import catalog

logger = logging.getLogger("qutiperf.models.digits")


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the requested files and prints the table of accuracies; returns the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    logger.setLevel(logging.INFO)
    try:
        _make(options)
    except QutiperfError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m qutiperf.models.digits", description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for the ONNX files and their manifest")
    parser.add_argument("--workloads", type=Path, help="folder for one workload YAML per model")
    parser.add_argument(
        "--programs",
        type=Path,
        help="folder for the fp32 networks as torch programs (.pt2), of --out or else shipped",
    )
    parser.add_argument(
        "--digits", type=Path, default=SHIPPED_DIGITS, help="the .npz to read (default: shipped)"
    )
    parser.add_argument("--make-digits", action="store_true", help="first write that .npz from scikit-learn")
    parser.add_argument(
        "--only", default="", metavar="PREFIX", help="only networks named so, such as digits-mlp-50"
    )
    parser.add_argument("--epochs", type=int, default=Recipe().epochs, help="passes over the training images")
    return parser


def _make(options: argparse.Namespace) -> None:
    if options.make_digits:
        write_digits(options.digits)
    if options.out is None and options.programs is None:
        return
    topologies = [topology for topology in all_topologies() if topology.label.startswith(options.only)]
    if not topologies:
        labels = ", ".join(topology.label for topology in all_topologies())
        raise InputError(f"no network '{options.only}'", where="--only", cure=f"allowed: {labels}")
    if options.out is None:
        shipped = catalog.root() / "scenarios" / "workloads" / "models"
        save_programs(topologies, shipped, options.programs)
        return
    manifest = make_models(topologies, replace(Recipe(), epochs=options.epochs), options.digits, options.out)
    if options.workloads is not None:
        write_workloads(manifest, options.out, options.workloads)
    if options.programs is not None:
        save_programs(topologies, options.out, options.programs)
    sys.stdout.write(f"{markdown_table(manifest)}\n")


def make_models(
    topologies: Sequence[DigitsTopology], recipe: Recipe, digits: Path, directory: Path
) -> Manifest:
    """Writes three ONNX files per network and the manifest; raises SetupError without torch."""
    directory.mkdir(parents=True, exist_ok=True)
    training, test = read_digits(digits, "train"), read_digits(digits, "test")
    models = tuple(
        model for topology in topologies for model in _variants(topology, recipe, training, test, directory)
    )
    manifest = Manifest(test_images=len(test.labels), tools=tool_versions(), models=models)
    write_manifest(manifest, directory)
    return manifest


def _variants(
    topology: DigitsTopology, recipe: Recipe, training: Digits, test: Digits, directory: Path
) -> Iterator[ShippedModel]:
    """One training, three datatypes."""
    logger.info("training %s for %d epochs", topology.label, recipe.epochs)
    layers = train(topology, training, recipe)
    single = build_model(topology.label, layers, float_weights)
    yield save_model(single, topology, "fp32", directory, test)
    yield save_model(quantise_int8(single, training.images), topology, "int8", directory, test)
    yield save_model(build_model(topology.label, layers, int4_weights), topology, "int4", directory, test)


if __name__ == "__main__":
    sys.exit(main())
