"""`python -m qutiperf` is `qutiperf`."""

import sys

from qutiperf.cli import main

sys.exit(main())
