"""Where a network's time goes, for folders that have measured layers too: the numbers of `analyse gap`."""

from collections.abc import Mapping, Sequence

from qutiperf.errors import QutiperfError
from qutiperf.microbench.gap import gap_rows
from qutiperf.microbench.measured_parts import measured_parts
from qutiperf.microbench.suite_plan import cache_bytes
from qutiperf.report.columns import Row
from qutiperf.results.record import RunRecord


def gaps_of(records: Sequence[RunRecord], where: str) -> Mapping[str, Row]:
    """The steps of each network that layers of its system explain, in ms of a batch, by run id."""
    gaps: dict[str, Row] = {}
    suts = {record.point.sut for record in records if record.inputs.workload.model.part is not None}
    for sut in sorted(suts):
        try:
            measured = measured_parts(records, where, sut)
            if not measured.networks:
                continue
            rows = gap_rows(measured, cache_bytes(measured.networks[0].inputs.sut), where)
        except QutiperfError:
            continue  # `analyse gap` names the reason
        runs = {(run.point.workload, run.point.deployment["batch_size"]): run for run in measured.networks}
        for row in rows:
            run = runs[row.network, row.batch_size]
            gaps[run.run_id] = {
                "gap_layer_sum_ms": (row.roofline_ms or 0.0) + row.layers_ms + row.between_ms,
                "gap_call_ms": row.call_ms,
                "gap_unexplained_ms": row.unexplained_ms,
                "gap_system_ms": row.system_ms,
            }
    return gaps
