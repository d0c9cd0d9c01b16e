"""`python -m qutiperf` is `qutiperf`."""

from qutiperf.cli import main

main()
