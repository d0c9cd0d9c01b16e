"""The one family of errors: what happened, where, the cure, and the exit code that it means."""


class QutiperfError(Exception):
    """An error a user can act on, printed as one line: `where: what (cure)`."""

    exit_code = 4

    def __init__(self, what: str, *, where: str = "", cure: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.cure = what, where, cure

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}" if self.where else self.what
        if self.cure:
            line = f"{line}; {self.cure}"
        return " ".join(line.split())


class InputError(QutiperfError):
    """Something the user wrote is wrong: a file, a key, an option."""

    exit_code = 2


class ImpossiblePointError(InputError):
    """A point that cannot be measured, while others of the same sweep can."""


class SetupError(QutiperfError):
    """Something that the machine lacks: a package, a device, a right, a LoadGen version."""

    exit_code = 3


class UnreachableError(SetupError):
    """Another machine does not answer, which may change while it starts."""


class RunError(QutiperfError):
    """A run failed: the adapter raised, hung, or its process died."""

    exit_code = 4
