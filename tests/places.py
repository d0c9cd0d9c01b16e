"""Where the tests find the checkout and their data."""

from pathlib import Path

TESTS = Path(__file__).parent
CHECKOUT = TESTS.parent
PACKAGE = CHECKOUT / "qutiperf"
DATA = TESTS / "data"
LOGS = DATA / "logs"
