"""`qutiperf.submit` returns the tree, or all that stands in its way."""

from pathlib import Path

import pytest

import qutiperf
from tests.submission.good_tree import ROUND
from tests.submission.recorded import results


def test_a_tree(tmp_path: Path) -> None:
    folder = results(tmp_path / "results", ("Offline",), tests=())
    out = tmp_path / "tree"
    made = qutiperf.submit(folder, out, round_name=ROUND, submitter="Acme", division="open")
    assert (made.tree, made.obstacles, made.rehearsal) == (out, [], False)
    assert (out / "open" / "Acme").is_dir()
    assert "error" not in {each.severity for each in made.findings}


def test_obstacles_are_values_and_nothing_is_written(tmp_path: Path) -> None:
    folder = results(tmp_path / "results", ("SingleStream",), tests=())
    made = qutiperf.submit(
        [folder], tmp_path / "tree", round_name=ROUND, submitter="a/b", field={"coling": "air"}
    )
    assert made.tree is None
    assert [each.where for each in made.obstacles[:2]] == ["--submitter", "--field coling"]
    assert len(made.obstacles) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"round_name": "v0.1"}, "no round named 'v0.1'"),
        ({"scenarios": "Online"}, "'Online' is not a scenario"),
        ({"power": {"Online": "folder"}}, "'Online' is not a scenario"),
        ({"sut": "none"}, "no sut named 'none'"),
        ({"results": "nowhere"}, "is not a results folder"),
    ],
)
def test_wrong_arguments(wrong: dict[str, object], message: str, tmp_path: Path) -> None:
    given: dict[str, object] = {"results": results(tmp_path / "results", ("Offline",), tests=())}
    given |= {"out": tmp_path / "tree", "round_name": ROUND, "submitter": "Acme", **wrong}
    with pytest.raises(qutiperf.InputError, match=message):
        qutiperf.submit(**given)  # type: ignore[arg-type]  # a wrong one is the purpose
    assert not (tmp_path / "tree").exists()


def test_nothing_is_measured_for_a_tree_that_cannot_be(tmp_path: Path) -> None:
    """Ten minutes a run, and only then a submitter that cannot be a folder, would be too late."""
    folder = results(tmp_path / "results", ("Offline",), tests=())
    before = sorted(path.name for path in folder.iterdir())
    made = qutiperf.submit(folder, tmp_path / "tree", round_name=ROUND, submitter="a b", complete=True)
    assert made.obstacles[0].where == "--submitter"
    assert sorted(path.name for path in folder.iterdir()) == before
