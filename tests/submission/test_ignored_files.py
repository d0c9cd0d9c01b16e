"""What .gitignore leaves out, as git itself decides it."""

import subprocess
from pathlib import Path

import pytest

from qutiperf.audit.tree import list_tree
from qutiperf.submission.ignored_files import IgnoredFiles, ignored_files

FILES = (
    *("a.log", "keep.log", "deep/b.log", "deep/keep.log", "build/out.txt", "build/keep.txt", "deep/build"),
    *(
        "deep/build2/x",
        "top.txt",
        "deep/top.txt",
        "a b.txt",
        "x/one/two/end.bin",
        "x/end.bin",
        "#hash",
        "!bang",
    ),
    *(
        "data/1.csv",
        "data/2.txt",
        "data/sub/3.csv",
        "caf\u00e9.tmp",
        "trailing ",
        "q1.dat",
        "q12.dat",
        "Upper.LOG",
    ),
)
GITIGNORES = {
    "endings": {".gitignore": "*.log\n"},
    "a negation": {".gitignore": "*.log\n!keep.log\n"},
    "a folder, from which nothing comes back": {".gitignore": "build/\n!build/keep.txt\n"},
    "files of a folder, from which one comes back": {".gitignore": "build/*\n!build/keep.txt\n"},
    "the root only": {".gitignore": "/top.txt\n"},
    "stars over folders": {".gitignore": "x/**/end.bin\n**/build\n"},
    "escapes and spaces": {".gitignore": "\\#hash\n\\!bang\na b.txt\ntrailing\\ \n# a comment\n\n"},
    "question mark and set": {".gitignore": "q?.dat\n[A-Z]*.LOG\n"},
    "another file further down": {".gitignore": "*.csv\n", "data/.gitignore": "!1.csv\nsub/\n"},
    "only further down": {"deep/.gitignore": "*\n!keep.log\n"},
    "bytes": {".gitignore": "caf*.tmp\n"},
    "a folder as a pattern in the middle": {".gitignore": "data/sub\n"},
}


def build(root: Path, contents: dict[str, str]) -> None:
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    for name, text in contents.items():
        (root / name).write_text(text)


def ignored(root: Path) -> IgnoredFiles:
    return ignored_files(list_tree(root))


def as_git_decides(root: Path, folder: Path) -> list[str]:
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    command = ["git", f"--git-dir={folder}/.git", f"--work-tree={root}", "ls-files", "-z"]
    command += ["--others", "--ignored", "--exclude-per-directory=.gitignore"]
    done = subprocess.run(command, check=True, capture_output=True, cwd=root)
    return sorted(done.stdout.decode().split("\0")[:-1])


@pytest.mark.parametrize("name", GITIGNORES)
def test_the_same_files_as_git(name: str, tmp_path: Path) -> None:
    root = tmp_path / "tree"
    build(root, GITIGNORES[name])
    paths = sorted(ignored(root).paths)
    assert paths == as_git_decides(root, tmp_path / "repository")
    assert paths


def test_a_tree_without_a_gitignore(tmp_path: Path) -> None:
    build(tmp_path, {})
    assert ignored(tmp_path) == IgnoredFiles()


def test_a_pattern_that_takes_for_ever_is_not_used(tmp_path: Path) -> None:
    (tmp_path / ("a" * 200)).write_text("x")
    (tmp_path / ".gitignore").write_text("*a" * 40 + "*b\n")
    assert ignored(tmp_path) == IgnoredFiles([], [".gitignore"])


@pytest.mark.parametrize("text", ["*.log\n" * 2000, "x" * 200_000, "\0\n[\n"])
def test_long_and_odd_files_are_read_in_part(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("x")
    (tmp_path / ".gitignore").write_text(text)
    assert ignored(tmp_path).paths == (["a.log"] if "log" in text else [])
