"""Which cheat must be caught by which audit, and by what evidence."""

from dataclasses import dataclass, field

ADAPTER_TEST, ACCURACY_CHECK = "adapter test", "accuracy check"
_PEAKS = {"peaks_tops": {"fp32": 1e-4}, "memory_bandwidth_gb_s": 1.0}  # 84,480 operations in 0.84 ms


@dataclass(frozen=True, slots=True)
class Cheat:
    """A class in a module of this package, and what must catch it.

    `evidence` is a regular expression that matches what the audit says of the cheat, and not of its honest
    twin. `check` is the name of the check where the audit is `qutiperf adapter test`.
    """

    module: str
    animal: str
    does: str
    audit: str
    evidence: str
    check: str | None = None
    scenario: str = "SingleStream"
    batch_size: int = 1
    system: dict[str, object] = field(default_factory=dict)

    @property
    def caught_by(self) -> str:
        return f"{self.audit}: {self.check}" if self.check else self.audit


_DIFFER = r"^[1-9][\d,]* of [\d,]+ answers differ"
_ANSWERS, _KNOWING, _TIMES = "cheats_of_answers", "cheats_that_know", "cheats_of_time"

CHEATS: tuple[Cheat, ...] = (
    Cheat(_ANSWERS, "CheapModel", "a smaller model while it is timed", "TEST01", _DIFFER),
    Cheat(_ANSWERS, "LowPrecision", "weights of 3 bits while it is timed", "TEST01", _DIFFER),
    Cheat(_ANSWERS, "SkipsPreprocessing", "no preprocessing while it is timed", "TEST01", _DIFFER),
    Cheat(_ANSWERS, "RepeatsAnswers", "every second answer is the one before", "TEST01", _DIFFER),
    Cheat(_ANSWERS, "AnswersEarly", "answers before the device has finished", "TEST01", _DIFFER),
    Cheat(
        _ANSWERS,
        "OverlapsQueries",
        "two queries at once in SingleStream",
        "plausibility",
        "batches report a compute time that is none or longer than their call",
    ),
    Cheat(
        _ANSWERS,
        "DropsSamples",
        "computes half of each batch",
        ADAPTER_TEST,
        "a batch of 8: outputs differ by up to ",
        check="batch",
    ),
    Cheat(_ANSWERS, "Guesses", "a class at random", ACCURACY_CHECK, "is no better than guessing"),
    Cheat(_ANSWERS, "WrongClass", "the class after the right one", ACCURACY_CHECK, "label_offset: 1"),
    Cheat(
        _ANSWERS,
        "LooksUpLabels",
        "knows the label of each sample by its bytes",
        "perturb",
        r"^\d+ of [1-9][\d,]+ answers follow a change",
    ),
    Cheat(
        _KNOWING,
        "CachesAnswers",
        "keeps the last answers",
        "TEST04",
        r"the test is [1-9]\d\d[\d.]* % faster than the run",
    ),
    Cheat(
        _KNOWING,
        "KnowsTheSamples",
        "has the answers to the whole data set before the run",
        ADAPTER_TEST,
        "answers are cached",
        check="caching",
    ),
    Cheat(
        _KNOWING,
        "DetectsAuditConfig",
        "is honest under an audit.config",
        "TEST01",
        r"score is \+[1-9][\d,]*\d\d\.",
    ),
    Cheat(
        _KNOWING,
        "DetectsFolder",
        "is honest in a folder named audit",
        "TEST01",
        r"score is \+[1-9][\d,]*\d\d\.",
    ),
    Cheat(
        _KNOWING,
        "KnowsTheOrder",
        "plays back answers in the order of the known seeds",
        "replay",
        r"^[1-9][\d,]* of [\d,]+ answers to [\d,]+ samples differ",
    ),
    Cheat(
        _KNOWING,
        "PicksSamples",
        "computes eight samples again and again",
        "recompute",
        r"^sample [\d,]+ of the run is \d+, \d+ by LoadGen's seeds",
    ),
    Cheat(
        _KNOWING,
        "DetectsOtherSeeds",
        "is honest if the samples do not come in the order of the known seeds",
        "replay",
        r"times slower|\d\d\.\d % slower",
    ),
    Cheat(
        _TIMES,
        "SprintsOnce",
        "is fast in its first run only",
        "repeat",
        r"times slower|\d\d\.\d % slower",
    ),
    Cheat(
        _TIMES,
        "ShrinksComputeTime",
        "reports a tenth of its compute time",
        "plausibility",
        "% of the peak of the platform",
        system={"platform": {"family": "zoo", "source": "tests/zoo", **_PEAKS}},
    ),
    Cheat(
        _TIMES,
        "ConstantClock",
        "reports one compute time for every batch",
        ADAPTER_TEST,
        "every time, for every batch",
        check="timers",
    ),
    Cheat(
        _TIMES,
        "ThoroughInAccuracy",
        "takes its time when accuracy is measured",
        "plausibility",
        "90 % of the batches take .* in the accuracy run",
    ),
    Cheat(
        _TIMES,
        "OtherBatchSize",
        "makes batches four times as large as it says",
        "plausibility",
        "follow from batch_size 8",
        scenario="Offline",
        batch_size=8,
    ),
    Cheat(
        _TIMES,
        "SlowsTheClock",
        "slows down the harness's clock",
        "plausibility",
        "by the harness's clock, .* by LoadGen's",
    ),
)
BY_NAME = {cheat.animal: cheat for cheat in CHEATS}
