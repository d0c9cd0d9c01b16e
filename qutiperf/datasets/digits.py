"""The UCI handwritten digits that ship with the package: 8x8, 17 grey levels, ten classes."""

from importlib import resources

import numpy as np

from qutiperf.datasets.images_in_memory import ImagesInMemory, Source
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.workload import InputSpec

LICENCE = "CC BY 4.0, E. Alpaydin and C. Kaynak 1998, doi 10.24432/C50P49"


def open_digits(spec: DatasetSpec, model_input: InputSpec) -> ImagesInMemory:
    """500 test images and 1,297 training images, by a fixed split."""
    with resources.files("qutiperf.datasets").joinpath("data/digits.npz").open("rb") as stream:
        arrays = np.load(stream)
        images, labels, is_test = arrays["images"], arrays["labels"], arrays["is_test"]
    chosen = is_test if spec.split == "test" else ~is_test
    source = Source("digits", images[chosen][:, np.newaxis], labels[chosen].astype(np.int64), 16, LICENCE)
    return ImagesInMemory(source, spec, model_input)
