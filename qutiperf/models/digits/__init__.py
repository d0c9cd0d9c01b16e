"""The digit classifiers that ship with qutiperf: `python -m qutiperf.models.digits --help` makes them."""
