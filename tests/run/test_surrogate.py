"""What samples say about other settings, with made-up throughputs."""

import math

import numpy as np

from qutiperf.run.surrogate import Place, Sample, Surrogate

BATCHES = (1, 4, 16, 64)
PLACES = [
    Place("sut", name, "Offline", batch, {"threads": threads})
    for name in ("small", "large")
    for threads in (1, 2)
    for batch in BATCHES
]


def number(name: str, threads: int, batch: int) -> int:
    return next(
        at
        for at, place in enumerate(PLACES)
        if (place.workload, place.parameters["threads"], place.batch_size) == (name, threads, batch)
    )


def sample(name: str, threads: int, batch: int, value: float, *, probe: bool = True) -> Sample:
    return Sample(number(name, threads, batch), math.log(value), probe, 1 if probe else 3)


def test_without_samples_every_setting_is_as_likely() -> None:
    belief = Surrogate(PLACES).fit([]).belief(np.arange(len(PLACES)))
    assert set(belief.mean) == {0.0}
    assert len(set(belief.deviation.round(9))) == 1


def test_the_variance_of_a_setting_is_the_diagonal_of_the_covariance() -> None:
    fitted = Surrogate(PLACES).fit([sample("small", 1, 4, 100.0), sample("large", 2, 64, 30.0)])
    everything = np.arange(len(PLACES))
    variance = np.diag(fitted.covariance(everything))
    assert np.allclose(fitted.belief(everything).deviation ** 2, variance)


def test_the_batches_of_one_model_say_how_those_of_another_go_on() -> None:
    """The small model doubles from batch 16 to 64, and the large one is expected to gain as well."""
    samples = [
        sample("small", 1, batch, value) for batch, value in zip(BATCHES, (10, 40, 100, 200), strict=True)
    ]
    samples += [sample("large", 1, 1, 1.0), sample("large", 1, 16, 10.0)]
    wanted = np.array([number("large", 1, 16), number("large", 1, 64)])
    before, after = Surrogate(PLACES).fit(samples).belief(wanted).mean
    assert 1.3 < math.exp(after - before) < 2.5


def test_a_sample_narrows_what_is_near_it_most() -> None:
    fitted = Surrogate(PLACES).fit([sample("small", 1, 16, 100.0), sample("large", 1, 16, 50.0)])
    near, far = fitted.belief(np.array([number("small", 1, 64), number("small", 2, 1)])).deviation
    assert near < far


def test_full_runs_correct_probes_that_are_all_too_slow() -> None:
    """Probes of half the throughput; one full run says that the others are faster in full as well."""
    probes = [sample("small", 1, batch, 50.0) for batch in BATCHES]
    full = [sample("small", 1, 1, 60.0, probe=False), sample("small", 1, 64, 60.0, probe=False)]
    at = np.array([number("small", 1, 16)])
    only_probes = Surrogate(PLACES).fit(probes).belief(at).mean[0]
    corrected = Surrogate(PLACES).fit([*probes, *full]).belief(at).mean[0]
    assert corrected > only_probes


def test_repeats_that_differ_make_a_setting_less_certain() -> None:
    def deviation(ratio: float) -> float:
        """Of a setting whose three full runs are `ratio` apart."""
        logarithms = np.log([100 / ratio, 100, 100 * ratio])
        at = number("small", 1, 4)
        full = Sample(at, math.log(100.0), False, 3, float(logarithms.var()) * 3)
        others = [sample("small", 1, batch, 100.0, probe=False) for batch in (1, 16, 64)]
        return float(Surrogate(PLACES).fit([full, *others]).belief(np.array([at])).deviation[0])

    assert deviation(1.0) < deviation(1.1) < deviation(1.3)


def test_options_that_are_no_numbers_are_apart() -> None:
    places = [Place("sut", "net", "Offline", 1, {"dtype": name}) for name in ("fp32", "fp16")]
    kernel = Surrogate(places).kernel(np.array([0]), np.array([0, 1]))
    assert kernel[0, 0] > kernel[0, 1]
