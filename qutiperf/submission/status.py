"""Which rounds a shadow submission is held against: that of the installed LoadGen, and the newest."""

from importlib import metadata

from qutiperf.spec.rounds import round_of_version, shipped_rounds


def rounds_to_report() -> list[str]:
    """Each once, the newest last."""
    try:
        current = round_of_version(metadata.version("mlcommons-loadgen"))
    except metadata.PackageNotFoundError:
        current = None
    newest = shipped_rounds()[-1].name
    return list(dict.fromkeys(name for name in (current, newest) if name))
