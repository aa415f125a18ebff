"""The command `vrdask bench`: how fast this machine resamples, beside the libraries that are installed on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vrdask.cli.main import main

if TYPE_CHECKING:
    from vrdask.cli.bench.timed import Timing

PNG = b"\x89PNG\r\n\x1a\n"


@main.command()
@click.option("--threads", type=click.IntRange(min=1), help="As many as usable cores by default.")
@click.option(
    "--seconds", type=click.FloatRange(min=0), default=20, show_default=True, help="Of all jobs, about; each runs once."
)
@click.option("--only", metavar="cubic", help="Jobs whose names hold this.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
@click.option("--picture", metavar="bench.png", help="Draw it, too.")
@click.option("--overwrite", is_flag=True, help="Replace a picture at the same place.")
@click.option("--quiet", is_flag=True, help="No progress.")
def bench(
    threads: int | None, seconds: float, only: str | None, as_json: bool, picture: str | None, overwrite: bool,
    quiet: bool,
) -> None:  # fmt: skip
    """Time a few jobs on this machine, beside those of SciPy, torch, volresample, OpenCV and Pillow that it has."""
    from vrdask.cli.bench.jobs import JOBS, installed, set_threads
    from vrdask.cli.bench.timed import machine, timings
    from vrdask.compute.threads import resolve

    chosen = [job for job in JOBS if only is None or only in job.name]
    if not chosen:
        names = ", ".join(job.name for job in JOBS)
        raise click.UsageError(f"--only must be part of a job's name; got {only!r}: the jobs are {names}")
    if picture is not None:
        _require_picture(Path(picture), overwrite)
    count, peers = resolve(threads), installed()
    set_threads(peers, count)
    about = machine(peers, count)
    found = {}
    for number, job in enumerate(chosen):
        if not quiet:
            click.echo(f"{number + 1} of {len(chosen)}: {job.name}", err=True)
        found[job.name] = timings(job, peers, count, seconds / len(chosen))
    if picture is not None:
        _draw(Path(picture), overwrite, about, found)
    if as_json:
        times = {name: {who: asdict(one) for who, one in each.items()} for name, each in found.items()}
        click.echo(json.dumps({"machine": about, "jobs": times}, indent=2))
    else:
        _tell(about, found)


def _tell(about: Mapping[str, Any], found: Mapping[str, Mapping[str, Timing]]) -> None:
    """Print the machine, and a table of milliseconds and how often ours goes into theirs."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from vrdask.cli.bench.jobs import ONE_THREAD

    console = Console()

    def say(name: str, value: Any) -> None:
        console.print(f"{name:<16}{value}", highlight=False, markup=False, soft_wrap=True)

    for key in ("processor", "instruction_set", "cores", "threads", "python", "vrdask"):
        say(key.replace("_", " "), about[key])
    say("beside", ", ".join(f"{name} {number}" for name, number in about["peers"].items()) or "none installed")
    if about["load"] is not None and about["load"] > about["cores"] / 2:
        say("load", f"{about['load']}: other programs are at work, and the figures tell of them, too")
    table = Table("job", "library", box=SIMPLE, pad_edge=False)
    table.add_column("median ms", justify="right")
    table.add_column("times vrdask", justify="right")
    for name, each in found.items():
        for number, (who, one) in enumerate(each.items()):
            note = ", 1 thread" if who in ONE_THREAD and about["threads"] > 1 else ""
            times = f"{one.ms / each['vrdask'].ms:.1f}" if one.is_same_job else "another result"
            table.add_row("" if number else name, f"{who}{note}", f"{one.ms:.3g}", times if number else "")
        table.add_section()
    console.print(table)


def _require_picture(path: Path, overwrite: bool) -> None:
    from vrdask.targets.whole_file import require_replaceable

    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise click.ClickException("the picture needs matplotlib: pip install 'vrdask[pictures]'") from None
    if path.suffix.lower() != ".png":
        raise ValueError(f"a picture's name must end in .png; got {path}")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"the folder of a picture must exist; got {path}")
    require_replaceable(path, overwrite, lambda first: first == PNG)


def _draw(path: Path, overwrite: bool, about: Mapping[str, Any], found: Mapping[str, Mapping[str, Timing]]) -> None:
    """Bars: how many times as long each library takes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import ScalarFormatter

    from vrdask.targets.whole_file import written_whole
    from vrdask.text import counted

    figure = Figure(figsize=(8, 0.6 + 0.85 * len(found)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    peers = [name for name in about["peers"] if any(name in each for each in found.values())]
    for place, each in enumerate(found.values()):
        same = [name for name in peers if name in each and each[name].is_same_job]
        for number, name in enumerate(same):
            times = each[name].ms / each["vrdask"].ms
            y = place + (number - (len(same) - 1) / 2) * 0.22
            axes.barh(y, times - 1, 0.2, left=1, color=f"C{peers.index(name)}", label=name)
            axes.text(times, y, f" {times:.1f}", va="center", fontsize=8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.margins(x=0.12)
    axes.set_yticks(range(len(found)), list(found))
    axes.invert_yaxis()
    axes.set_xlabel("time, in that of vrdask")
    threads = counted(about["threads"], "thread")
    axes.set_title(f"{about['processor']}, {about['instruction_set']}, {threads}", fontsize=10)
    drawn = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    if drawn:
        axes.legend([drawn[name] for name in peers if name in drawn], [name for name in peers if name in drawn])
    with written_whole(path, overwrite, lambda first: first == PNG) as beside:
        figure.savefig(beside, dpi=110, format="png")
