"""The command line: one module per verb; only this package prints or exits."""

import errno
import signal
import sys
import threading
from collections.abc import Sequence
from functools import cache
from typing import NoReturn

import typer

from qutiperf.cli import (
    adapter,
    agree,
    analyse,
    audit,
    best,
    calibrate,
    check,
    compare,
    console,
    contribute,
    doctor,
    explain,
    export,
    level0,
    level0_fit,
    listing,
    microbench,
    models,
    plan,
    plot,
    published,
    report,
    run,
    serve,
    show,
    submit,
    workload,
)
from qutiperf.cli.combinations import check_repeated, check_text
from qutiperf.errors import InputError, QutiperfError
from qutiperf.printable import bounded

app = typer.Typer(
    name="qutiperf",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("plan")(plan.plan)
app.command("show")(show.show)
app.command("best")(best.best)
app.command("explain")(explain.explain)
app.command("list")(listing.list_files)
app.command("doctor")(doctor.doctor)
app.command("export")(export.export)
app.command("calibrate")(calibrate.calibrate)
app.command("serve")(serve.serve)
app.command("agree")(agree.agree)
app.command("check")(check.check)
app.command("submit")(submit.submit)
app.command("audit")(audit.audit)
app.command("contribute")(contribute.contribute)
app.command("import")(published.import_results)
app.command("report")(report.report)
app.command("plot")(plot.plot)
app.command("compare")(compare.compare)
level0.app.command("fit")(level0_fit.fit)
level0.app.command("evaluate")(level0_fit.evaluate)
app.add_typer(adapter.app, name="adapter")
app.add_typer(workload.app, name="workload")
app.add_typer(level0.app, name="level0")
app.add_typer(models.app, name="models")
app.add_typer(microbench.app, name="microbench")
app.add_typer(analyse.app, name="analyse")

INTERRUPTED = 130


@app.callback()
def options(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
    quiet: bool = typer.Option(False, "--quiet", help="Print results and errors only."),
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    """Measure neural-network inference on any accelerator with MLPerf LoadGen."""
    if version:
        from qutiperf import __version__

        console.out(f"qutiperf {__version__}")
        raise typer.Exit


def main(arguments: Sequence[str] | None = None, debug: bool = False) -> int:
    """Runs one command line (default: this process's) and returns its exit code.

    0 ok, 1 verdict, 2 bad input, 3 set-up missing, 4 a run failed, 130 interrupted. With `debug`
    or --debug, errors are raised.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = debug or "--debug" in words
    console.be_quiet("--quiet" in words)
    if "--version" in words:
        words = ["--version", "run"]
    return _dispatch([word for word in words if word not in ("--debug", "--quiet")], debug)


def _interrupt_on_signals() -> None:
    """Makes SIGTERM and SIGHUP act like Ctrl-C: children are stopped and operating modes are left."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # under nohup SIGHUP stays ignored
            signal.signal(number, _interrupt)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


# All verbs, made once in a process: that takes longer than many of them. Its type is private to typer.
_command = cache(lambda: typer.main.get_command(app))


def _dispatch(arguments: list[str], debug: bool) -> int:
    _interrupt_on_signals()
    try:
        command = _command()
        check_text(arguments)
        check_repeated(command, arguments)
        result = command(arguments or ["--help"], standalone_mode=False)
        if result == INTERRUPTED:  # typer converts KeyboardInterrupt to this, older releases to Abort
            raise KeyboardInterrupt
    except QutiperfError as error:
        if debug:
            raise
        console.error(str(error))
        return error.exit_code
    except OSError as error:
        if debug or error.errno != errno.ENAMETOOLONG:
            raise
        console.error(f"{bounded(str(error.filename), 80)}: is too long for a file name")
        return InputError.exit_code
    except (KeyboardInterrupt, typer.Abort):
        console.error(
            "interrupted; finished runs are kept, and the same command continues with the remaining ones"
        )
        return INTERRUPTED
    except Exception as error:
        # typer bundles click, so its usage errors are recognised by their attributes
        if debug or not hasattr(error, "format_message"):
            raise
        if type(error).__name__ == "NoArgsIsHelpError":  # `qutiperf level0`: the message is the help text
            console.out(error.format_message())
        else:
            console.error(f"{error.format_message()} (qutiperf --help lists verbs and options)")
        return 2
    return int(result or 0)
