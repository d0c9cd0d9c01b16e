"""`python -m qutiperf` is `qutiperf`."""

import sys

try:
    from qutiperf.cli import main

    status = main()
except KeyboardInterrupt:  # while the modules are loaded; `main` itself says what an interrupt means
    status = 130
sys.exit(status)
