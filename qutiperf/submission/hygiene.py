"""What a repository of published results may not hold: names, links, sizes, and private text."""

import re
from collections.abc import Iterator

from qutiperf.audit.finding import AuditFinding, FindingMaker
from qutiperf.audit.tree import FileTree, read_bounded
from qutiperf.spec.round_rules import RoundRules
from qutiperf.submission.ignored_files import ignored_files

_MOST_NAMED = 20
_MOST_SCANNED_BYTES = 1 << 20
_SCANNED_NAMES = re.compile(r"(verify_\w+\.txt|accuracy\.txt|measurements\.json|user\.conf|README\.md)$")
_SECRET = re.compile(
    r"hf_[A-Za-z0-9]{30,}|gh[pousr]_[A-Za-z0-9]{36}|AKIA[0-9A-Z]{16}|xox[bp]-[A-Za-z0-9-]{20,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|glpat-[A-Za-z0-9_-]{20}"
)
_HOME = re.compile(r"(?:/home/|/Users/|/mnt/nfs/home/|/root/|C:\\Users\\)[A-Za-z][\w.-]*")
_HOST = re.compile(r"\b[a-z_][\w-]{0,31}@[a-z0-9][\w.-]{1,60}:[~/]")


def hygiene_findings(tree: FileTree, rules: RoundRules) -> Iterator[AuditFinding]:
    yield from _many(tree.links, "link", "is a link; it was not followed", "put the file itself here", rules)
    yield from _many(tree.special, "special-file", "is a device, pipe or socket", "remove it", rules)
    yield from _many(tree.closed, "unreadable-folder", "cannot be listed", "make it readable", rules)
    names = [*tree.files, *tree.folders]
    dotted = [path for path in names if path.rpartition("/")[2].startswith(".")]
    yield from _many(dotted, "hidden-file", "is hidden by its leading dot", "remove or rename it", rules)
    spaced = [path for path in names if " " in path.rpartition("/")[2]]
    yield from _many(spaced, "space-in-name", "has a space in its name", "rename it", rules)
    unprintable = [path for path in names if any(sign < " " or sign == "\x7f" for sign in path)]
    what = "has a control character in its name"
    yield from _many(unprintable, "name-encoding", what, "rename it", rules)
    foreign = [path for path in names if not _is_text(path)]
    yield from _many(foreign, "name-encoding", "has a name that is not UTF-8", "rename it", rules)
    limit = rules.limits.file_bytes
    large = [path for path, size in tree.files.items() if size > limit]
    yield from _many(large, "file-size", f"holds more than {limit >> 20} MB", "remove or compress it", rules)
    yield from _ignored(tree, rules)
    yield from _private(tree, rules)


def _many(paths: list[str], rule: str, what: str, cure: str, rules: RoundRules) -> Iterator[AuditFinding]:
    for path in paths[:_MOST_NAMED]:
        yield FindingMaker(path, rules.sources).warning(rule, what, cure, source="repository_checks")
    if len(paths) > _MOST_NAMED:
        make = FindingMaker(paths[_MOST_NAMED], rules.sources)
        more = len(paths) - _MOST_NAMED
        yield make.warning(rule, f"{what}, and so are {more - 1:,} more", cure, source="repository_checks")


def _is_text(name: str) -> bool:
    return not any("\udc80" <= sign <= "\udcff" for sign in name)


def _ignored(tree: FileTree, rules: RoundRules) -> Iterator[AuditFinding]:
    ignored = ignored_files(tree)
    what = "would be left out by the tree's .gitignore"
    yield from _many(ignored.paths, "ignored-file", what, "rename it", rules)
    for path in ignored.unread[:_MOST_NAMED]:
        what = "has lines that are too long, too many or not patterns; they were not used"
        yield FindingMaker(path, rules.sources).not_checked("ignored-file", what)


def _private(tree: FileTree, rules: RoundRules) -> Iterator[AuditFinding]:
    """Secrets are errors, home folders and host names notes; one of each for a file."""
    for path, size in tree.files.items():
        parts = path.split("/")
        described = len(parts) == 4 and parts[2] == "systems" and path.endswith(".json")
        if not size or not (described or _SCANNED_NAMES.search(parts[-1])):
            continue
        try:
            text = read_bounded(tree.path(path), _MOST_SCANNED_BYTES).decode("utf-8", errors="replace")
        except OSError:
            continue
        yield from _private_in(text, FindingMaker(path, rules.sources))


def _private_in(text: str, make: FindingMaker) -> Iterator[AuditFinding]:
    if match := _SECRET.search(text):
        what = f"holds what looks like a secret: {match.group()[:8]}..."
        yield make.error(
            "secret", what, "revoke it, then remove it", line=_line(text, match), source="repository_checks"
        )
    for pattern, kind in ((_HOME, "a home folder"), (_HOST, "an account and host")):
        if match := pattern.search(text):
            what = f"names {kind}: {match.group()[:60]}"
            cure = "replace it if it should not be public"
            yield make.note("private-text", what, cure, line=_line(text, match), source="repository_checks")


def _line(text: str, match: re.Match[str]) -> int:
    return text.count("\n", 0, match.start()) + 1
