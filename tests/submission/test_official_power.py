"""Power of MLPerf's own client is taken over unchanged, and `check` computes what counts."""

from pathlib import Path

import pytest

from qutiperf.errors import InputError
from qutiperf.spec.rounds import load_round
from qutiperf.submission.check import rules_of
from qutiperf.submission.official_power import power_files, same_run
from qutiperf.submission.options import SubmissionOptions
from qutiperf.submission.submit import prepare, write_tree
from tests.submission import recorded
from tests.submission.good_tree import ROUND, copy
from tests.submission.power_tree import add_power

RULES = rules_of(ROUND)[1]


def client_folder(folder: Path, scenario: str) -> Path:
    """What the client leaves, around a recorded run."""
    logs = recorded.logs_of(scenario) / "performance"
    copy(logs, folder / "run_1")
    (folder / "run_1" / "mlperf_log_accuracy.json").unlink(missing_ok=True)
    add_power(folder, logs)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


def test_the_client_s_folders_stand_in_the_tree_unchanged(tmp_path: Path) -> None:
    folder = recorded.results(tmp_path / "results", ("Offline",), tests=())
    power = client_folder(tmp_path / "client", "Offline")
    options = SubmissionOptions(ROUND, "open", "Acme", power={"Offline": power})
    prepared = prepare([folder], options, None)
    assert [str(each) for each in prepared.obstacles] == []
    out = tmp_path / "tree"
    done, report = write_tree(prepared, out)
    assert done
    assert [row["mean_power_w"] for row in report.rows] == [pytest.approx(20.1)]
    performance = out / "open/Acme/runs/board/digits-recorded/Offline/performance"
    assert contents(performance) == contents(power)
    assert len(contents(power)) == 11


def test_edited_power_logs_make_no_tree(tmp_path: Path) -> None:
    folder = recorded.results(tmp_path / "results", ("Offline",), tests=())
    power = client_folder(tmp_path / "client", "Offline")
    samples = power / "run_1" / "spl.txt"
    samples.write_text(samples.read_text().replace("Watts,20.", "Watts,10."))
    options = SubmissionOptions(ROUND, "open", "Acme", power={"Offline": power})
    done, report = write_tree(prepare([folder], options, None), tmp_path / "tree")
    assert not done
    assert "power-hash" in {each.rule for each in report.findings if each.severity == "error"}


def test_a_folder_that_lacks_a_file_is_refused(tmp_path: Path) -> None:
    power = client_folder(tmp_path / "client", "Offline")
    assert len(list(power_files(power, RULES))) == 11
    (power / "power" / "ptd_logs.txt").unlink()
    with pytest.raises(InputError, match="lacks ptd_logs"):
        list(power_files(power, RULES))
    without = RULES.model_copy(update={"power": None})
    with pytest.raises(InputError, match="the round has no rules for power"):
        list(power_files(power, without))


def test_every_shipped_round_has_the_client_s_files(tmp_path: Path) -> None:
    """What the client leaves does not depend on the round."""
    for name in ("v5.1", "v6.0", "v6.1"):
        rules = load_round(name)[0].rules
        assert rules is not None
        assert rules.power is not None
        assert rules.power.files == ["client.json", "client.log", "ptd_logs.txt", "server.json", "server.log"]


def test_the_power_of_another_run_is_refused(tmp_path: Path) -> None:
    folder = recorded.results(tmp_path / "results", ("Offline",), tests=())
    power = client_folder(tmp_path / "client", "SingleStream")
    assert not same_run(power, recorded.logs_of("Offline") / "performance")
    options = SubmissionOptions(ROUND, "open", "Acme", power={"Offline": power, "Server": power})
    lines = [str(each) for each in prepare([folder], options, None).obstacles]
    assert "run_1 is not run" in lines[0]
    assert lines[1] == "--power Server: there is no run of this scenario in the tree; leave it out"
