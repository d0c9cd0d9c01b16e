"""The prepared samples that the workers of a group map, and how long it takes to prepare them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from qutiperf.errors import InputError, SetupError
from qutiperf.harness.sample_cache import SampleCache, default_cache_folder
from qutiperf.harness.samples import PERFORMANCE_SAMPLES, samples_of_probe
from qutiperf.results.record import UsedCache
from qutiperf.spec.point import Point
from qutiperf.spec.scenario import Mode, Profile
from qutiperf.spec.sweep import CacheSettings
from qutiperf.spec.workload import Workload
from qutiperf.units import BYTES_PER_GB

_CHECKED_BYTES_PER_S = 5e8  # sha256 of what is kept already


@dataclass(frozen=True, slots=True)
class SampleSource:
    """Prepared samples of one dataset for one kind of input: `total` of them, `sample_s` each to prepare."""

    cache: SampleCache
    key: str
    workload: Workload
    total: int
    sample_bytes: int
    sample_s: float

    @property
    def used(self) -> UsedCache:
        return UsedCache(
            folder=str(self.cache.folder), most_gb=self.cache.most_bytes / BYTES_PER_GB, key=self.key
        )

    def covers(self, point: Point) -> bool:
        """Whether the samples of a run are kept: not in end-to-end runs, nor more than fits."""
        if point.settings.end_to_end and point.mode is Mode.PERFORMANCE:
            return False
        return self.bytes_of(sets_of(point, self.total)) <= self.cache.most_bytes

    def bytes_of(self, sets: "SampleSets") -> int:
        return sets.sample_count(self.total) * self.sample_bytes

    def estimated_s(self, sets: Iterable["SampleSets"]) -> float:
        """Seconds to prepare what is missing, and to check what is there."""
        needed = sum(self.bytes_of(each) for each in sets)
        stored = min(self.cache.stored_bytes(self.key), needed)
        missing = (needed - stored) / self.sample_bytes * self.sample_s
        return missing + stored / _CHECKED_BYTES_PER_S


@dataclass(frozen=True, slots=True)
class SampleSets:
    """What LoadGen loads at a time: `performance_count` samples, once or (`every`) until it had all.

    `given` is the setting performance_sample_count, as LoadGen hears of it.
    """

    performance_count: int
    given: int | None
    every: bool
    submission: bool

    def sample_count(self, total: int) -> int:
        """How many samples the files have, with those of the probe."""
        if self.every or self.performance_count >= total:
            return total
        return self.performance_count + len(samples_of_probe(total, self.performance_count))


def sets_of(point: Point, total: int) -> SampleSets:
    given = point.settings.performance_sample_count
    return SampleSets(
        min(total, given or PERFORMANCE_SAMPLES),
        given,
        point.mode is Mode.ACCURACY,
        point.profile is Profile.SUBMISSION,
    )


def cache_of(settings: CacheSettings) -> SampleCache | None:
    """None where nothing is kept; raises InputError for a folder that is something else."""
    if not settings.most_gb:
        return None
    try:
        given = settings.folder
        folder = default_cache_folder() if given is None else Path(given).expanduser().absolute()
    except (SetupError, RuntimeError):  # no home
        return None
    if settings.folder is not None and folder.exists() and not folder.is_dir():
        raise InputError("is not a folder", where=f"sample_cache.folder: {folder}", cure="name another")
    return SampleCache(folder, round(settings.most_gb * BYTES_PER_GB))
