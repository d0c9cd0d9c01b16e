"""How much of an exhaustive sweep's front `--strategy pareto` finds, and in which share of its time.

    python benchmarks/adaptive.py [--sweeps a b c] [--seeds 20] [--optuna]

Replays recorded sweeps (benchmarks/data): every setting was measured in full and by probes, three times
each. Each seed draws new noise from the recorded repeats. `front_share` is the hypervolume of the settings
that were measured in full over that of all settings, with the medians of all repeats as true values, linear
and scaled to the range of the sweep. `reported_share` counts only those of them that look best in the noise;
the whole sweep (`exhaustive`) has that loss too. `noise_percent` is how much repeats differ. Time includes
loads of models, accuracy runs and probes.
Beside it: random settings in a quarter of the time, and with --optuna its samplers with the same probes (pip
install optuna). Prints JSON; nothing is measured.
"""

import argparse
import csv
import gzip
import json
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

CHECKOUT = Path(__file__).resolve().parents[1]
DATA = CHECKOUT / "benchmarks/data"
sys.path.insert(0, str(CHECKOUT))

from qutiperf.run.search import Findings, Search, Setting  # noqa: E402
from qutiperf.run.surrogate import Place  # noqa: E402

THROUGHPUT, LATENCY = "system_throughput_ips", "system_latency_p99_ms"
HIGHER = {THROUGHPUT: True, LATENCY: False}
GOAL_SHARE, GOAL_TIME = 0.98, 0.25
Point = tuple[float, ...]
Figures = dict[str, float]


@dataclass
class Recorded:
    """One recorded sweep: settings, the figures of their repeats, and what everything took."""

    settings: list[Setting] = field(default_factory=list)
    full: dict[str, list[Figures]] = field(default_factory=lambda: defaultdict(list))
    probes: dict[str, list[Figures]] = field(default_factory=lambda: defaultdict(list))
    accuracy: dict[str, float] = field(default_factory=dict)
    accuracy_s: dict[str, float] = field(default_factory=dict)
    load_s: dict[str, float] = field(default_factory=dict)

    @property
    def exhaustive_s(self) -> float:
        loads = sum(self.load_s.values()) + sum(self.accuracy_s.values())
        return loads + sum(setting.full_s for setting in self.settings)


def recorded(name: str) -> Recorded:
    sweep = Recorded()
    run_s: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    places: dict[str, dict[str, str]] = {}
    with gzip.open(DATA / f"recorded-{name}.csv.gz", "rt", newline="") as stream:
        for row in csv.DictReader(stream):
            load = " ".join(row[key] for key in ("sut", "workload", "threads", "streams"))
            model = f"{row['sut']} {row['workload']}"
            if row["kind"] == "load":
                sweep.load_s[load] = float(row["seconds"])
            elif row["kind"] == "accuracy":
                sweep.accuracy[model] = float(row["top1_percent"])
                sweep.accuracy_s[load] = float(row["seconds"])
            else:
                key = f"{load} {row['scenario']} {row['batch_size']}"
                figures = {THROUGHPUT: float(row["throughput_ips"])}
                if row["latency_p99_ms"]:
                    figures[LATENCY] = float(row["latency_p99_ms"])
                places[key] = row
                (sweep.full if row["kind"] == "full" else sweep.probes)[key].append(figures)
                run_s[key, row["kind"]].append(float(row["seconds"]))
    for key, row in places.items():
        load = " ".join(row[name] for name in ("sut", "workload", "threads", "streams"))
        parameters = {"threads": int(row["threads"]), "streams": int(row["streams"])}
        place = Place(row["sut"], row["workload"], row["scenario"], int(row["batch_size"]), parameters)
        probe_s = statistics.median(run_s[key, "probe"])
        compared = {name: HIGHER[name] for name in sweep.full[key][0]}
        sweep.settings.append(
            Setting(
                key=key,
                load=load,
                family=row["scenario"],
                ladder=f"{load} {row['scenario']}",
                accuracy=f"{row['sut']} {row['workload']}",
                place=place,
                figures=compared,
                probe_s=probe_s,
                full_s=sum(run_s[key, "full"]),
                load_s=sweep.load_s[load],
            )
        )
    return sweep


def noise_percent(repeats: dict[str, list[Figures]]) -> float:
    """Median over the settings of the coefficient of variation of the throughput."""
    values = [[figures[THROUGHPUT] for figures in each] for each in repeats.values() if len(each) > 2]
    return round(
        100 * statistics.median(statistics.stdev(each) / statistics.mean(each) for each in values), 1
    )


class Bench:
    """A recorded sweep with the noise of one seed, and the time that measuring takes."""

    def __init__(self, sweep: Recorded, seed: int) -> None:
        self.sweep, self._random = sweep, random.Random(seed)
        self._setting = {setting.key: setting for setting in sweep.settings}
        self._residuals = {"full": self._pool(sweep.full), "probe": self._pool(sweep.probes)}
        self.findings, self.spent_s, self.steps = Findings(), 0.0, 0
        self._accurate: set[str] = set()

    def _pool(self, repeats: dict[str, list[Figures]]) -> dict[tuple[str, str], list[float]]:
        """The repeats of each load over the medians of their settings."""
        pool: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        for setting in self.sweep.settings:
            for name in setting.figures:
                values = [figures[name] for figures in repeats[setting.key]]
                middle = statistics.median(values)
                pool[setting.load, name] += [value / middle for value in values]
        return dict(pool)

    def _draw(self, key: str, kind: str) -> Figures:
        """One run: the setting's own median with the noise of a run of the same load."""
        setting = self._setting[key]
        repeats = (self.sweep.full if kind == "full" else self.sweep.probes)[key]
        return {
            name: statistics.median(figures[name] for figures in repeats)
            * self._random.choice(self._residuals[kind][setting.load, name])
            for name in setting.figures
        }

    def visit(self, load: str, keys: Sequence[str], kind: str) -> None:
        """One worker: the load, its accuracy if needed, and the runs."""
        self.steps += 1
        self.spent_s += self.sweep.load_s[load]
        model = str(self._setting[keys[0]].accuracy)
        unknown = model not in self.findings.accuracy
        if (unknown or kind == "full") and load not in self._accurate:
            self._accurate.add(load)
            self.spent_s += self.sweep.accuracy_s[load]
            self.findings.accuracy[model] = self.sweep.accuracy[model]
        for key in keys:
            if kind == "probe":
                self.findings.probes[key] = self._draw(key, kind)
                self.spent_s += self._setting[key].probe_s
            else:
                repeats = len(self.sweep.full[key])
                self.findings.full[key] = [self._draw(key, kind) for _ in range(repeats)]
                self.findings.done.add(key)
                self.spent_s += self._setting[key].full_s

    def reported(self) -> list[str]:
        """The settings on the front of what was measured in full."""
        seen: defaultdict[str, dict[str, Point]] = defaultdict(dict)
        for key, repeats in self.findings.full.items():
            setting = self._setting[key]
            figures = {name: statistics.median(each[name] for each in repeats) for name in setting.figures}
            seen[setting.family][key] = objectives(self.sweep, setting, figures)
        return [key for points in seen.values() for key in undominated(points)]


def objectives(sweep: Recorded, setting: Setting, figures: Figures) -> Point:
    signed = [value if HIGHER[name] else -value for name, value in figures.items()]
    return (sweep.accuracy[str(setting.accuracy)], *signed)


def undominated(points: dict[str, Point]) -> list[str]:
    return [
        key
        for key, point in points.items()
        if not any(other != point and all(map(float.__ge__, other, point)) for other in points.values())
    ]


def truth(sweep: Recorded) -> dict[str, dict[str, Point]]:
    """The medians of all repeats, scaled to 0..1 in each family."""
    families: defaultdict[str, dict[str, Point]] = defaultdict(dict)
    for setting in sweep.settings:
        repeats = sweep.full[setting.key]
        middle = {name: statistics.median(each[name] for each in repeats) for name in setting.figures}
        families[setting.family][setting.key] = objectives(sweep, setting, middle)
    scaled: dict[str, dict[str, Point]] = {}
    for family, points in families.items():
        low, high = map(min, zip(*points.values(), strict=True)), map(max, zip(*points.values(), strict=True))
        spans = [(worst, (best - worst) or 1.0) for worst, best in zip(low, high, strict=True)]
        scaled[family] = {
            key: tuple((value - worst) / span for value, (worst, span) in zip(point, spans, strict=True))
            for key, point in points.items()
        }
    return scaled


def hypervolume(points: Iterable[Point]) -> float:
    """The volume that points dominate above the origin, by slicing along the last objective."""
    kept = sorted(set(points), key=lambda point: -point[-1])
    if not kept:
        return 0.0
    if len(kept[0]) == 1:
        return kept[0][0]
    volume = 0.0
    for number, point in enumerate(kept):
        below = kept[number + 1][-1] if number + 1 < len(kept) else 0.0
        if point[-1] > below:
            volume += (point[-1] - below) * hypervolume(each[:-1] for each in kept[: number + 1])
    return volume


class Score:
    """The share of the true front's hypervolume that some settings have, the mean of the families."""

    def __init__(self, sweep: Recorded) -> None:
        self._truth = truth(sweep)
        self._whole = {name: hypervolume(points.values()) for name, points in self._truth.items()}
        self.front = {name: len(undominated(points)) for name, points in self._truth.items()}

    def __call__(self, keys: Iterable[str]) -> float:
        chosen = set(keys)
        shares = [
            hypervolume(point for key, point in points.items() if key in chosen) / self._whole[name]
            for name, points in self._truth.items()
        ]
        return statistics.mean(shares)


def pareto(bench: Bench) -> None:
    search = Search(bench.sweep.settings)
    while (step := search.next_step(bench.findings)) is not None:
        bench.visit(step.load, step.settings, step.kind)


def at_random(bench: Bench) -> None:
    """Settings in random order, as many as a quarter of the time allows; each load once."""
    order = list(bench.sweep.settings)
    bench._random.shuffle(order)
    limit_s, spent_s, loads = GOAL_TIME * bench.sweep.exhaustive_s, 0.0, defaultdict[str, list[str]](list)
    for setting in order:
        load_s = 0.0 if loads[setting.load] else setting.load_s + bench.sweep.accuracy_s[setting.load]
        if spent_s + load_s + setting.full_s <= limit_s:
            loads[setting.load].append(setting.key)
            spent_s += load_s + setting.full_s
    for load, keys in loads.items():
        if keys:
            bench.visit(load, keys, "full")


def exhaustively(bench: Bench) -> None:
    loads: defaultdict[str, list[str]] = defaultdict(list)
    for setting in bench.sweep.settings:
        loads[setting.load].append(setting.key)
    for load, keys in loads.items():
        bench.visit(load, keys, "full")


def with_optuna(sampler_name: str) -> Callable[[Bench], None]:
    """Probes that a sampler of Optuna chooses, then their front in full, in a quarter of the time."""

    def search(bench: Bench) -> None:
        import optuna  # type: ignore[import-not-found, unused-ignore]  # not a dependency

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        families = dict.fromkeys(setting.family for setting in bench.sweep.settings)
        limit_s = GOAL_TIME * bench.sweep.exhaustive_s
        for number, family in enumerate(families, 1):
            _optuna_on_family(bench, family, sampler_name, limit_s * number / len(families))

    return search


def _optuna_on_family(bench: Bench, family: str, sampler_name: str, limit_s: float) -> None:
    import optuna  # type: ignore[import-not-found, unused-ignore]  # not a dependency

    mine = [setting for setting in bench.sweep.settings if setting.family == family]
    by_choice = {
        (s.load.rsplit(" ", 2)[0], " ".join(s.load.rsplit(" ", 2)[1:]), s.place.batch_size): s for s in mine
    }
    names = ("model", "load", "batch_size")
    values = {name: sorted({key[i] for key in by_choice}) for i, name in enumerate(names)}
    seed = bench._random.randrange(1 << 30)
    sampler = getattr(optuna.samplers, sampler_name)(seed=seed)
    directions: list[Literal["maximize", "minimize"]] = ["maximize"]
    directions += ["maximize" if up else "minimize" for up in mine[0].figures.values()]
    study = optuna.create_study(directions=directions, sampler=sampler)
    seen: dict[str, Point] = {}
    for _ in range(4 * len(mine)):
        trial = study.ask()
        choice = (
            str(trial.suggest_categorical("model", values["model"])),
            str(trial.suggest_categorical("load", values["load"])),
            int(values["batch_size"][trial.suggest_int("batch_size", 0, len(values["batch_size"]) - 1)]),
        )
        setting = by_choice.get(choice)
        if setting is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        if setting.key not in seen:
            front = undominated(seen)
            chosen = [s for s in mine if s.key in front]
            full_s = sum(s.full_s for s in chosen) + sum({s.load: s.load_s for s in chosen}.values())
            if bench.spent_s + setting.load_s + setting.probe_s + full_s > limit_s:
                break
            bench.visit(setting.load, [setting.key], "probe")
            figures = dict(bench.findings.probes[setting.key] or {})
            seen[setting.key] = objectives(bench.sweep, setting, figures)
        told = [seen[setting.key][0], *(bench.findings.probes[setting.key] or {}).values()]
        study.tell(trial, told)
    front = undominated(seen)
    loads: defaultdict[str, list[str]] = defaultdict(list)
    for setting in mine:
        if setting.key in front:
            loads[setting.load].append(setting.key)
    for load, keys in loads.items():
        bench.visit(load, keys, "full")


def replay(sweep: Recorded, search: Callable[[Bench], None], seeds: int) -> dict[str, float]:
    score, shares, reported, times, thought_s, steps = Score(sweep), [], [], [], [], []
    for seed in range(seeds):
        bench = Bench(sweep, seed)
        started = time.perf_counter()
        search(bench)
        thought_s.append(time.perf_counter() - started)
        shares.append(score(bench.findings.done))
        reported.append(score(bench.reported()))
        times.append(bench.spent_s / sweep.exhaustive_s)
        steps.append(bench.steps)
    return {
        "front_share_worst": round(min(shares), 4),
        "front_share_median": round(statistics.median(shares), 4),
        "reported_share_worst": round(min(reported), 4),
        "reported_share_median": round(statistics.median(reported), 4),
        "time_share_worst": round(max(times), 4),
        "time_share_median": round(statistics.median(times), 4),
        "loads_median": statistics.median(steps),
        "thinking_s": round(statistics.median(thought_s), 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sweeps", nargs="+", default=["a", "b", "c"])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--optuna", nargs="*", help="samplers: NSGAIISampler TPESampler")
    options = parser.parse_args()
    report: dict[str, object] = {}
    for name in options.sweeps:
        sweep = recorded(name)
        searches = {"pareto": pareto, "random": at_random, "exhaustive": exhaustively}
        searches |= {each: with_optuna(each) for each in options.optuna or ()}
        results = {each: replay(sweep, search, options.seeds) for each, search in searches.items()}
        found = results["pareto"]
        report[name] = {
            "settings": len(sweep.settings),
            "loads": len(sweep.load_s),
            "exhaustive_s": round(sweep.exhaustive_s, 1),
            "noise_percent": {"full": noise_percent(sweep.full), "probe": noise_percent(sweep.probes)},
            "front": Score(sweep).front,
            **results,
            "goal_reached": found["front_share_worst"] >= GOAL_SHARE
            and found["time_share_worst"] <= GOAL_TIME,
        }
    print(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
