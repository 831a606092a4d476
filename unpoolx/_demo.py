"""`unpoolx demo`: a photograph pooled and brought back, as a picture and as a table of the backends."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

import unpoolx
from unpoolx._cli import CommandError, frameworks_load_quietly, one_line
from unpoolx._demo_figure import Sheet, shown
from unpoolx._demo_files import check_output, read_image, sample_photograph, write_whole
from unpoolx._demo_measure import STEPS, Array, Errors, Outcome, measure

# A pipe or a log has no width of its own; the tables fit in this one.
PLAIN_WIDTH = 110


def run(*, image: str | None, backend: str, kernel_size: int, output: str) -> int:
    """Carry the command out; returns 1 if a backend failed or gave other bits than NumPy, else 0.

    Raises:
        CommandError: an argument does not fit; nothing has been written then.
    """
    source = sample_photograph() if image is None else Path(image)
    target = check_output(Path(output), source)
    photograph = read_image(source)
    _, height, width, _ = photograph.shape
    if kernel_size > min(height, width):
        raise CommandError(
            f"--kernel-size: expected at most {min(height, width)}, since the image has {width} x {height} "
            f"pixels; got {kernel_size}"
        )
    backends = _chosen_backends(backend)  # last, since it loads frameworks, which takes seconds

    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH)
    title = one_line(source.name)
    windows = f"{kernel_size} \u00d7 {kernel_size} windows"
    console.print(escape(f"{title}: {width} \u00d7 {height} pixels, pooled over {windows}"))
    sheet = Sheet(photograph, kernel_size, title)
    errors: dict[str, Errors] = {}

    def take(step: str, result: Array, error: Errors | None) -> None:
        sheet.add(step, result, error)
        if error is not None:
            errors[step] = error

    with console.status("") as status:
        outcomes = measure(photograph, kernel_size, backends, take, lambda line: status.update(escape(line)))
    write_whole(target, sheet.write)
    _print_errors(console, errors)
    _print_outcomes(console, outcomes)
    console.print(f"Picture: {escape(str(target))}", soft_wrap=True)
    return 0 if all(outcome.good for outcome in outcomes) else 1


def _chosen_backends(name: str) -> list[str]:
    try:
        with frameworks_load_quietly():
            if name == "all":
                return [info.name for info in unpoolx.backends() if info.installed and info.error is None]
            backend = unpoolx.get_backend(name)
            backend.devices()  # loads what the import has not
            return [backend.name]
    except Exception as error:  # a framework that is there but broken may throw anything
        raise CommandError(f"--backend: {error}") from error


def _print_errors(console: Console, errors: dict[str, Errors]) -> None:
    table = Table(title="Against the original, in [0, 1]", title_justify="left", title_style="bold")
    table.add_column("Brought back by")
    for heading in ("RMSE", "PSNR", "RMSE where placed"):
        table.add_column(heading, justify="right")
    for way, error in errors.items():
        table.add_row(way, shown(error.rmse), f"{error.psnr:.1f} dB", shown(error.placed_rmse))
    console.print(table)
    console.print("Where placed: over the values alone that this way writes to. There, switches are exact.")


def _print_outcomes(console: Console, outcomes: list[Outcome]) -> None:
    table = Table(title="Each backend against NumPy", title_justify="left", title_style="bold")
    table.add_column("Backend")
    table.add_column("Same bits as NumPy")
    for step in STEPS:
        table.add_column(step, justify="right")
    for outcome in outcomes:
        milliseconds = {step: f"{1000 * seconds:.1f} ms" for step, seconds in outcome.seconds.items()}
        times = [milliseconds.get(step, "-") for step in STEPS]
        table.add_row(escape(outcome.backend), _verdict(outcome), *times)
    console.print(table)
    console.print("Times: from NumPy array to NumPy array, the median of up to 5 runs after one to warm up.")
    for outcome in outcomes:
        if outcome.failure is not None:
            _complain(console, f"{outcome.backend} failed in {one_line(outcome.failure)}")
        if outcome.different:
            _complain(console, f"{outcome.backend} differs from NumPy in: {', '.join(outcome.different)}")


def _complain(console: Console, text: str) -> None:
    console.print(escape(text), style="red", soft_wrap=True)


def _verdict(outcome: Outcome) -> str:
    if outcome.failure is not None:
        return "[red]failed[/red]"
    if outcome.different:
        return f"[red]no ({len(outcome.different)} of {outcome.results} differ)[/red]"
    return f"[green]yes ({outcome.results} of {outcome.results})[/green]"
