"""The frequency governor of the CPUs: `python -m qutiperf.run.governor --root=DIR NAME=0,1` sets it.

https://docs.kernel.org/admin-guide/pm/cpufreq.html. The supervisor runs it for an operating mode, so that the
undo journal has the command that restores the governors.
"""

import sys
from collections import defaultdict
from pathlib import Path

from qutiperf.errors import InputError, QutiperfError, SetupError
from qutiperf.spec.config import nearest
from qutiperf.spec.sut import core_numbers

SYSFS_CPUS = Path("/sys/devices/system/cpu")
_FILE = "cpufreq/scaling_governor"


def governors(root: Path = SYSFS_CPUS) -> dict[int, str]:
    """The governor of each CPU by its number; empty where the system does not offer them."""
    numbered = ((path.parts[-3], path) for path in root.glob(f"cpu[0-9]*/{_FILE}"))
    return {
        int(name.removeprefix("cpu")): path.read_text(encoding="utf-8").strip()
        for name, path in sorted(numbered, key=lambda pair: int(pair[0].removeprefix("cpu")))
    }


def check_governor(name: str, where: str, root: Path = SYSFS_CPUS) -> None:
    """Raises SetupError if the governor cannot be set on this machine."""
    present = governors(root)
    if not present:
        cure = "choose another mode: virtual machines have none"
        raise SetupError("this machine has no frequency governor", where=where, cure=cure)
    for number in present:
        folder = root / f"cpu{number}/cpufreq"
        offered = _text(folder / "scaling_available_governors").split()
        if offered and name not in offered:
            what = f"CPU {number} has no governor '{name}'"
            raise SetupError(what, where=where, cure=nearest(name, offered))
        if not _writable(folder / "scaling_governor"):
            cure = "run as root, or `sudo chmod a+w /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor`"
            raise SetupError("only root may set the frequency governor", where=where, cure=cure)


def commands(name: str, root: Path = SYSFS_CPUS) -> tuple[list[str], list[str]]:
    """The commands that set a governor, and that restore those of now."""
    base = [sys.executable, "-P", "-m", "qutiperf.run.governor", f"--root={root}"]
    cpus: defaultdict[str, list[int]] = defaultdict(list)
    for number, governor in governors(root).items():
        cpus[governor].append(number)
    restore = [f"{governor}={','.join(map(str, numbers))}" for governor, numbers in cpus.items()]
    every = ",".join(str(number) for number in governors(root))
    return [*base, f"{name}={every}"], [*base, *restore]


def apply(settings: list[str], root: Path) -> None:
    """Writes `governor=0,1,2` for each; raises SetupError if one does not hold afterwards."""
    for setting in settings:
        name, _, numbers = setting.partition("=")
        for number in core_numbers(numbers):
            path = root / f"cpu{number}" / _FILE
            try:
                path.write_text(f"{name}\n", encoding="utf-8")
            except OSError as error:
                raise SetupError(f"cannot be set: {error.strerror}", where=str(path)) from None
            if (current := _text(path)) != name:
                raise SetupError(f"is '{current}' after '{name}' was set", where=str(path))


def _writable(path: Path) -> bool:
    try:
        with path.open("r+b"):
            return True
    except OSError:
        return False


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def main(arguments: list[str]) -> int:
    """Exit code 0, else that of the error, which is one line on standard error."""
    root = Path(arguments[0].removeprefix("--root="))
    try:
        apply(arguments[1:], root)
    except (QutiperfError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code if isinstance(error, QutiperfError) else InputError.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
