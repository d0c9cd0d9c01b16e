"""The Python of docs/python.md and of README.md runs."""

import re
import shutil
from pathlib import Path

import pandas
import pytest

import qutiperf
from tests.places import CHECKOUT

MODEL = CHECKOUT / "scenarios/workloads/models/digits-mlp-12.5-fp32.onnx"


def examples(page: str) -> list[str]:
    """The Python blocks of a page, in order."""
    text = (CHECKOUT / page).read_text()
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run(blocks: list[str], names: dict[str, object]) -> None:
    for block in blocks:
        exec(compile(block, "example", "exec"), names)


@pytest.fixture(autouse=True)
def _folder_with_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(MODEL, tmp_path / "my.onnx")


@pytest.mark.slow
def test_the_page_about_python(capsys: pytest.CaptureFixture[str]) -> None:
    blocks, names = examples("docs/python.md"), dict[str, object]()
    assert len(blocks) == 10
    run(blocks, names)
    printed = capsys.readouterr().out
    assert "Float64 Int64 datetime64[us, UTC]" in printed
    lines = [line for line in printed.splitlines() if " of 2: my Offline batch " in line]
    assert [line[:6] for line in lines] == ["1 of 2", "2 of 2"]
    assert {line[6:] for line in lines} == {f": my Offline batch {size} valid" for size in (2, 4)}
    assert "no sut named 'cpu-onnx'" in printed
    assert len(qutiperf.load("results/short")) == 6
    predicted = names["predicted"]
    assert isinstance(predicted, pandas.DataFrame)
    assert len(predicted) == 2


@pytest.mark.slow
def test_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = examples("README.md")
    assert len(blocks) == 1
    run([blocks[0].replace('"test_run"', '"test_run", set={"settings.min_duration_s": 0.1}')], {})
    assert "system_throughput_ips" in capsys.readouterr().out
    assert qutiperf.load("results/my")["valid"].all()


def test_every_name_is_on_the_page() -> None:
    page = (CHECKOUT / "docs/python.md").read_text()
    assert [name for name in qutiperf.__all__ if name not in page and name != "__version__"] == []
