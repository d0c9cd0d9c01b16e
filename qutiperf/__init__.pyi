from qutiperf.api.frame import load as load
from qutiperf.errors import InputError as InputError
from qutiperf.errors import QutiperfError as QutiperfError
from qutiperf.errors import RunError as RunError
from qutiperf.errors import SetupError as SetupError

__version__: str
__all__ = ["InputError", "QutiperfError", "RunError", "SetupError", "__version__", "load"]
