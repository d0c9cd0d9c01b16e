"""Whether LoadGen is installed, and which rounds it carries the seeds of."""

from importlib import metadata
from importlib.util import find_spec

from qutiperf.errors import SetupError
from qutiperf.spec.rounds import load_round


def require_loadgen(round_name: str | None = None) -> None:
    """Raises SetupError if LoadGen is missing, or is not the one that carries the round's seeds."""
    if find_spec("mlperf_loadgen") is None:
        cure = "pip install mlcommons-loadgen (no wheel for Linux on Arm: use x86-64; Python 3.11 to 3.13)"
        raise SetupError("MLPerf LoadGen is not installed", cure=cure)
    if round_name is None:
        return
    version = metadata.version("mlcommons-loadgen")
    required, _ = load_round(round_name)
    if version not in required.loadgen_versions:
        what = f"LoadGen {version} does not carry the seeds of {round_name}"
        raise SetupError(what, where="--round", cure=f"pip install '{required.loadgen_requirement}'")
