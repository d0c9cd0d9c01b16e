"""Sources of inputs that name another tensor."""

from collections.abc import Mapping, Sequence


def unlisted_references(sources: Mapping[str, object], outputs: Sequence[str]) -> dict[str, str]:
    """By the name of an input, what is wrong where its source is a state, mask or length of nothing."""
    problems = {}
    for name, source in sources.items():
        state = getattr(source, "state", None)
        if state is not None and state not in outputs:
            problems[name] = f"input '{name}': no output '{state}' is listed"
        other = getattr(source, "mask", None) or getattr(source, "length", None)
        if other is not None and (other not in sources or other == name):
            problems[name] = f"input '{name}': no other input '{other}' is listed"
    return problems
