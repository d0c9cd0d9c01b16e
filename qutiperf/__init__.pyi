from qutiperf.api.answers import answers as answers
from qutiperf.api.choices import best as best
from qutiperf.api.explanations import explain as explain
from qutiperf.api.figures import plot as plot
from qutiperf.api.frame import load as load
from qutiperf.api.progress import Progress as Progress
from qutiperf.api.submissions import submit as submit
from qutiperf.api.sweeps import measure as measure
from qutiperf.api.sweeps import run as run
from qutiperf.api.theory import predict as predict
from qutiperf.api.theory import requirements as requirements
from qutiperf.errors import InputError as InputError
from qutiperf.errors import QutiperfError as QutiperfError
from qutiperf.errors import RunError as RunError
from qutiperf.errors import SetupError as SetupError
from qutiperf.explain import Explained as Explained

__version__: str
__all__ = [
    "Explained",
    "InputError",
    "Progress",
    "QutiperfError",
    "RunError",
    "SetupError",
    "__version__",
    "answers",
    "best",
    "explain",
    "load",
    "measure",
    "plot",
    "predict",
    "requirements",
    "run",
    "submit",
]
