"""Every file that ships is right, and is found."""

from pathlib import Path

import pytest

from qutiperf.errors import InputError
from qutiperf.run.plan import gather, make_plan
from qutiperf.spec import catalog
from qutiperf.spec.audits import load_audit
from qutiperf.spec.microbench import load_suite
from qutiperf.spec.rounds import load_round, round_of_version
from qutiperf.spec.scenario import Profile, ScenarioName, load_scenario
from qutiperf.spec.sut import load_sut
from qutiperf.spec.sweep import load_sweep
from qutiperf.spec.workload import load_workload

KINDS: tuple[catalog.Kind, ...] = ("scenario", "workload", "sut", "round", "sweep", "audit", "microbench")
SHIPPED: list[tuple[catalog.Kind, str]] = [(kind, name) for kind in KINDS for name in catalog.names(kind)]


@pytest.mark.parametrize(("kind", "name"), SHIPPED)
def test_shipped_files_are_valid(kind: catalog.Kind, name: str) -> None:
    if kind == "sweep":
        assert load_sweep(name, [])[0].name == name
    elif kind == "microbench":
        assert load_suite(name)[0].name == name
    elif kind == "scenario":
        assert load_scenario(name)[0].name.lower() == name
    elif kind == "workload":
        assert load_workload(name)[0].name == name
    elif kind == "sut":
        assert load_sut(name)[0].name == name.rsplit("/", 1)[-1]
    elif kind == "audit":
        assert load_audit(name).name == name
    else:
        assert load_round(name)[0].name == name


def test_every_yaml_belongs_to_a_kind() -> None:
    known = {catalog.find(kind, name) for kind, name in SHIPPED}
    folders = [catalog.root() / folder for folder in catalog.CONTENT_FOLDERS]
    found = {path for folder in folders for path in folder.rglob("*.y*ml")}
    assert found == known


def test_every_scenario_has_every_profile() -> None:
    assert {load_scenario(name)[0].name for name in catalog.names("scenario")} == set(ScenarioName)
    for name in catalog.names("scenario"):
        assert set(load_scenario(name)[0].profiles) == set(Profile)


@pytest.mark.slow
def test_the_quickstart_is_what_it_says() -> None:
    from qutiperf import host

    sweep, _ = load_sweep("quickstart", [])
    groups = make_plan(sweep, gather(sweep), host.facts()).groups
    assert len(groups) == 16
    assert [len(group.runs) for group in groups] == [8] * 16


def test_models_stay_small() -> None:
    folder = catalog.root() / "scenarios/workloads/models"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 7_000_000


def test_rounds_know_their_loadgen() -> None:
    assert {version: round_of_version(version) for version in ("5.1.2", "6.0.14", "6.0.17", "4.0")} == {
        "5.1.2": "v5.1",
        "6.0.14": "v6.0",
        "6.0.17": "v6.1",
        "4.0": None,
    }


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


BASE = (
    "kind: sut\nschema_version: 1\nname: base\ntitle: t\nadapter: simulated\n"
    "platform: {family: cpu, source: s}\n"
)


def test_extends_merges_one_level(tmp_path: Path) -> None:
    write(tmp_path / "base.yaml", BASE + "options: {latency_us: 1, classes: 3}\n")
    child = write(
        tmp_path / "child.yaml",
        "kind: sut\nschema_version: 1\nextends: base.yaml\nname: child\noptions: {classes: 5}\n",
    )
    sut, _ = load_sut(child)
    assert (sut.name, sut.title, sut.options) == ("child", "t", {"latency_us": 1, "classes": 5})
    grandchild = write(tmp_path / "g.yaml", f"kind: sut\nschema_version: 1\nextends: {child}\nname: g\n")
    with pytest.raises(InputError, match="extends another file"):
        load_sut(grandchild)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BASE.replace("schema_version: 1", "schema_version: 9"), "schema_version: 9 is not known"),
        (BASE.replace("schema_version: 1", "schema_version: true"), "schema_version: True is not known"),
        (BASE.replace("schema_version: 1", "schema_version: 1.0"), "schema_version: 1.0 is not known"),
        (BASE.replace("kind: sut", "kind: sweep"), "kind: is not 'sut'"),
        (BASE + "colour: red\n", "colour: unknown key"),
        (BASE.replace("title: t\n", ""), "title: missing; add this key"),
    ],
)
def test_wrong_files(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        load_sut(write(tmp_path / "s.yaml", text))


def test_names_are_found_in_any_case_for_scenarios() -> None:
    assert load_scenario("singlestream")[0].name is ScenarioName.SINGLE_STREAM
    with pytest.raises(InputError, match="did you mean 'offline'"):
        load_scenario("Ofline")


def test_numbers_in_names_are_sorted_by_size() -> None:
    names = [
        name for name in catalog.names("workload") if name.startswith("digits-mlp") and name.endswith("fp32")
    ]
    assert names == [f"digits-mlp-{scale}-fp32" for scale in ("12.5", "25", "50", "100")]


def test_a_glob_matches_paths_beside_the_sweep_sorted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, here = tmp_path / "beside", tmp_path / "here"
    for folder, names in ((beside, ("b.yaml", "a.yaml", "[x].yaml", "notes.txt")), (here, ("c.yaml",))):
        (folder / "mine").mkdir(parents=True)
        for name in names:
            (folder / "mine" / name).write_text("")
    (beside / "mine/folder.yaml").mkdir()
    monkeypatch.chdir(tmp_path)
    found = catalog.matching("workload", "mine/*.yaml", beside)
    assert found == [str(beside / "mine" / name) for name in ("[x].yaml", "a.yaml", "b.yaml")]
    assert catalog.matching("sut", str(here / "mine/?.yaml"), None) == [str(here / "mine/c.yaml")]
    monkeypatch.chdir(here)
    assert catalog.matching("workload", "mine/*.yaml", beside) == ["mine/c.yaml"]
    monkeypatch.chdir(beside / "mine")
    assert catalog.matching("workload", "[x].yaml", None) == ["[x].yaml"]
    with pytest.raises(InputError, match=r"no workload and no file matches 'none/\*.yaml'"):
        catalog.matching("workload", "none/*.yaml", beside)


def test_what_is_found_but_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    for name, message in [
        (str(tmp_path / "folder.yaml"), "is a folder, not a file"),
        ("x" * 5000 + ".yaml", "cannot be read: File name too long"),
        ("a\0b.yaml", "its name is not text"),
        ("a\0b", "no sut named"),
    ]:
        with pytest.raises(InputError, match=message) as caught:
            catalog.find("sut", name, tmp_path)
        assert len(str(caught.value)) < 1000
