"""The command line: `unpoolx demo`, `backends`, `conformance` and `bench`, their arguments, exit codes and errors.

Nothing beyond the core is imported before a command asks for it, so that `unpoolx backends` works, and starts
fast, where NumPy alone is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import unpoolx
from unpoolx._version import __version__

# Exit codes: 0 done; 1 done, but some backend failed, gave other bits or broke a law; 2 could not be done as asked.
UNUSABLE_REQUEST = 2
INTERRUPTED = 130
BROKEN_PIPE = 141

# What TensorFlow and XLA tell on standard error would drown a table. Whoever sets the first hears them again.
QUIET_FRAMEWORKS = {"TF_CPP_MIN_LOG_LEVEL": "3", "GRPC_VERBOSITY": "ERROR"}


class CommandError(Exception):
    """A request that cannot be carried out; its text is the line that the person at the terminal reads."""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, as every other error of the command is."""

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (see `{self.prog} --help`)")


def _positive(text: str) -> int:
    # Beyond nine digits no image is large enough, and int() itself refuses some thousands of them.
    if not re.fullmatch(r"\+?\d{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1; got {text!r}")
    return int(text)


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d{1,18}", text):
        raise argparse.ArgumentTypeError(f"expected a whole number of at most 18 digits; got {text!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    about = "Max pooling that keeps its switches, and unpooling from them."
    parser = _Parser(prog="unpoolx", description=about)
    parser.add_argument("--version", action="version", version=f"unpoolx {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    demo = commands.add_parser(
        "demo",
        help="draw what pooling and the ways to unpool do to a photograph, and compare the backends on it",
        description="Pools a photograph, brings it back by corner, nearest, average and switches, writes one "
        "labelled picture of them all, and says for each backend whether its bits are NumPy's, and its time.",
    )
    demo.add_argument(
        "image",
        nargs="?",
        metavar="IMAGE",
        help="any image file that Pillow reads (default: a photograph of Grace Hopper)",
    )
    demo.add_argument(
        "--backend",
        default="all",
        metavar="NAME",
        help="numpy, tf, jax, torch, a plugin's name, or all that are installed (default: all)",
    )
    demo.add_argument(
        "--kernel-size",
        type=_positive,
        default=2,
        metavar="K",
        help="pool over windows of K by K pixels (default: 2)",
    )
    demo.add_argument(
        "--output",
        default="unpoolx-demo.png",
        metavar="FILE.png",
        help="where to write the picture (default: unpoolx-demo.png)",
    )
    commands.add_parser(
        "backends",
        help="list the backends that are installed, and how to get the others",
        description="Lists the backends: the version and devices of those installed, how to get the others.",
    )
    _add_conformance(commands)
    _add_bench(commands)
    return parser


def _add_conformance(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "conformance",
        help="hold backends to the laws of the norm, with generated cases, and report what they break",
        description="Checks backends against the laws of docs/semantics.md with generated cases, and reports the "
        "smallest case that breaks each law that a backend does not keep.",
        epilog="Exit status: 0 if every law that ran holds, 1 if one is broken, 2 if this could not be done as asked.",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="numpy, tf, jax, torch, a plugin's name, or module:attribute of a Backend",
    )
    parser.add_argument("--all", action="store_true", dest="every", help="every installed backend, side by side")
    parser.add_argument("--device", metavar="D", help="where the arrays lie, such as cuda (default: the backend's)")
    for option, several in (("--level", "the laws of these levels"), ("--law", "these laws")):
        parser.add_argument(
            option, nargs="+", action="extend", default=[], metavar=option[2:].upper(), help=f"only {several}"
        )
    parser.add_argument("--examples", type=_positive, metavar="N", help="generated examples per law")
    parser.add_argument("--seed", type=_integer, default=0, metavar="S", help="the same cases each time (default: 0)")
    parser.add_argument(
        "--profile", default="ci", metavar="ci|deep", help="how many examples: 100 or 2000 (default: ci)"
    )
    for form, what in (("json", "the report for machines"), ("html", "a page"), ("badge", "a shields.io endpoint")):
        parser.add_argument(f"--{form}", metavar="FILE", help=f"write {what}")


def _add_bench(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "bench",
        help="measure unpoolx beside what one would write without it, in ratios",
        description="Measures unpoolx, the frameworks' own ways and a copy of as many bytes, in turns, after a check "
        "that each way gives the same bits; prints how many times as fast unpoolx is, and how far from the copy.",
        epilog="Exit status: 0 if every result of unpoolx is right, 1 if one is not, 2 if this could not be done.",
    )
    parser.add_argument("--backend", default="all", metavar="NAME", help="numpy, tf, jax, torch or all (default: all)")
    parser.add_argument(
        "--size",
        default="medium",
        metavar="SIZE",
        help="small (1 MB), medium (26 MB), large (256 MB to 1 GB), or all: one geometry at 1 to 256 MB "
        "(default: medium)",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        action="extend",
        default=[],
        metavar="WORD",
        help="only problems with all of these words in their names, such as: pool forward 2d k2 float32",
    )
    parser.add_argument(
        "--form",
        nargs="+",
        action="extend",
        default=[],
        metavar="WORD",
        help="only layouts and modes that have all of these words, such as: NCHW compiled (NCHW is NCW and NCDHW, too)",
    )
    parser.add_argument("--repeats", type=_positive, metavar="N", help="rounds (default: 5 to 15, as time allows)")
    parser.add_argument(
        "--threads",
        type=lambda text: None if text == "all" else _positive(text),
        default=2,
        metavar="N",
        help="threads of each framework, or all for as many as there are CPUs (default: 2)",
    )
    parser.add_argument("--compiled", action="store_true", help="torch.compile as well, which takes long")
    parser.add_argument("--json", metavar="FILE", help="write the report for machines")
    parser.add_argument("--plot", metavar="FILE.png", help="with --size all: draw time over size")


@contextlib.contextmanager
def frameworks_load_quietly() -> Iterator[None]:
    """Drop what is written to standard error meanwhile: TensorFlow does so before it reads its log level."""
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != QUIET_FRAMEWORKS["TF_CPP_MIN_LOG_LEVEL"]:
        yield
        return
    try:
        kept = os.dup(2)
    except OSError:  # standard error is closed, so that nobody is disturbed
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _list_backends(_: argparse.Namespace) -> int:
    """Print a row per backend; the exit code is 0, since a backend that is not installed is no error."""
    rows = [("BACKEND", "VERSION", "DEVICES")]
    with frameworks_load_quietly():
        found = unpoolx.backends()
    for info in found:
        if info.installed and info.error is None:
            rows.append((info.name, info.version or "unknown", ", ".join(info.devices)))
        elif info.error is not None:
            rows.append((info.name, info.version or "-", f"cannot be used: {one_line(info.error)}"))
        else:
            rows.append((info.name, "-", f"not installed: {info.install}"))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for name, version, rest in rows:
        print(f"{name:<{widths[0]}}  {version:<{widths[1]}}  {rest}".rstrip())
    return 0


@contextlib.contextmanager
def _needing(extra: str, what: str) -> Iterator[None]:
    """A context that imports what an extra brings: a package that is missing is named, with the way to get it."""
    try:
        yield
    except ImportError as error:
        package = (error.name or "unpoolx").partition(".")[0]
        if package.startswith("unpoolx"):
            raise
        message = f"{what} needs {package}, which cannot be imported: pip install 'unpoolx[{extra}]'"
        raise CommandError(message) from error


def _run_demo(arguments: argparse.Namespace) -> int:
    with _needing("demo", "the demo"):
        from unpoolx import _demo
    try:
        return _demo.run(
            image=arguments.image,
            backend=arguments.backend,
            kernel_size=arguments.kernel_size,
            output=arguments.output,
        )
    except MemoryError as error:
        raise CommandError("not enough memory; use a smaller image") from error


def _run_conformance(arguments: argparse.Namespace) -> int:
    with _needing("testing", "the conformance kit"):
        from unpoolx import _conformance
    return _conformance.run(
        arguments.names,
        every=arguments.every,
        device=arguments.device,
        levels=arguments.level,
        laws=arguments.law,
        examples=arguments.examples,
        seed=arguments.seed,
        profile=arguments.profile,
        files={"--json": arguments.json, "--html": arguments.html, "--badge": arguments.badge},
    )


def _run_bench(arguments: argparse.Namespace) -> int:
    from unpoolx._bench import command  # which no other command needs

    return command.run(
        backend=arguments.backend,
        size=arguments.size,
        only=arguments.only,
        form=arguments.form,
        repeats=arguments.repeats,
        threads=arguments.threads,
        compiled=arguments.compiled,
        json=arguments.json,
        plot=arguments.plot,
    )


COMMANDS = {
    "demo": _run_demo,
    "backends": _list_backends,
    "conformance": _run_conformance,
    "bench": _run_bench,
}


def one_line(text: object) -> str:
    """`text` on one line, without characters that a terminal would act on instead of showing them."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def _fail(message: object) -> int:
    print(f"unpoolx: error: {one_line(message)}", file=sys.stderr)
    return UNUSABLE_REQUEST


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    Args:
        argv: the arguments after the program's name; None takes those of the process.

    Returns:
        0 if all went well, 1 if a backend failed, gave other bits than NumPy or broke a law, 2 if the request could
        not be carried out, 130 if it was interrupted.
    """
    for variable, value in QUIET_FRAMEWORKS.items():
        os.environ.setdefault(variable, value)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file name or a sign that the terminal's encoding lacks is no reason to stop.
            stream.reconfigure(errors="replace")
    try:
        arguments = _parser().parse_args(argv)
        code = COMMANDS[arguments.command](arguments)
        sys.stdout.flush()
    except CommandError as error:
        return _fail(error)
    except MemoryError:
        return _fail("not enough memory")
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader is gone, as in `unpoolx backends | head -1`. Without this Python complains again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return code
