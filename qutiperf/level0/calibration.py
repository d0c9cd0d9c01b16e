"""Fits a platform's constants to its measured points and estimates their error."""

from collections.abc import Sequence

import numpy as np

from qutiperf.errors import InputError
from qutiperf.level0.evaluate import interval_factor
from qutiperf.level0.families import candidates
from qutiperf.level0.fit import leave_one_out, select
from qutiperf.level0.measured import Measured
from qutiperf.spec.level0_terms import Calibration, Terms


def calibrate(measured: Measured, family: str, source: str) -> Calibration:
    """Chosen terms and fitted constants; errors from leaving one network out, None with a single network.

    Only the terms of `menu_of` are considered; raises InputError if there is none.
    """
    networks = len(np.unique(measured.group))
    menu = menu_of(measured, family, source)
    fitted = select(measured, menu)
    error, interval = (None, None) if networks < 2 else _errors(measured, menu)
    return Calibration(
        terms=fitted.terms,
        constants={name: float(f"{value:.4g}") for name, value in fitted.constants.items()},
        points=len(measured),
        networks=networks,
        error_factor=error,
        interval_factor=interval,
        source=source,
    )


def menu_of(measured: Measured, family: str, source: str) -> list[Terms]:
    """Terms with no more constants than there are points; raises InputError if there are none."""
    menu = [terms for terms in candidates(family) if len(terms.constants) <= len(measured)]
    if not menu:
        smallest = min(len(terms.constants) for terms in candidates(family))
        cure = f"measure at least {smallest} settings with compute throughput"
        raise InputError(f"{len(measured)} measured points are too few to fit to", where=source, cure=cure)
    return menu


def _errors(measured: Measured, menu: Sequence[Terms]) -> tuple[float, float]:
    """Geometric mean error of leaving one network out, and of the interval around a prediction."""
    errors = np.abs(np.log(leave_one_out(measured, menu) / measured.throughput_ips))
    return round(float(np.exp(errors.mean())), 3), round(interval_factor(errors, measured.group), 3)
