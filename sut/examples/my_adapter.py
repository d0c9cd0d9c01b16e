"""A complete adapter: ONNX's own reference evaluator, pure Python, slow and exact."""

from dataclasses import dataclass

import numpy as np
from onnx.reference import ReferenceEvaluator

from qutiperf.adapters.base import Adapter, Array, Completion, Model


@dataclass(frozen=True)
class Options:
    """The keys of `options:` in the SUT file, with defaults; checked before any run."""

    verbose: int = 0


class MyAdapter(Adapter[Options]):
    """`load` once, `infer` per batch, `close` at the end; one thread calls one instance."""

    options_type = Options
    runtime_module = "onnx"

    def load(self, model: Model, options: Options) -> None:
        self._session = ReferenceEvaluator(model.path, verbose=options.verbose)
        self._input, self._output = model.input_name, model.output_name

    def infer(self, batch: Array) -> Completion:
        [outputs] = self._session.run([self._output], {self._input: batch})
        return Completion(np.asarray(outputs))  # a device with its own clock adds compute_ns

    def close(self) -> None:
        self.__dict__.pop("_session", None)  # a second close does nothing
