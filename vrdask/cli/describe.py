"""What runs and `--dry-run` print."""

from __future__ import annotations

from vrdask.cli.codecs import codec_name
from vrdask.runs.cluster import active_client
from vrdask.runs.job import Job
from vrdask.runs.summary import before_and_after
from vrdask.text import by_axis, counted, format_bytes


def describe_ends(job: Job, source: str, target: str) -> str:
    """What a run has read and made, a line each."""
    (_, before), (_, after) = before_and_after(job)
    return f"{source}: {before}\n{target}: {after}"


def describe_job(job: Job) -> str:
    """The plan of a run, with what it costs and on what it runs."""
    target, blocks = job.target.array, job.blocks
    shards = "" if target.shards is None else f", shards {by_axis(target.shards)}"
    codecs = ", ".join(map(codec_name, target.compressors)) or "no compression"
    rows = [*before_and_after(job), ("target", f"chunks {by_axis(target.chunks)}{shards}, {codecs}")]
    plan = str(job.plan).splitlines()
    if blocks.part != blocks.block or blocks.by_chunk:
        plan = [line for line in plan if not line.startswith("peak bytes per task")]  # which is for a task at once
    if blocks.part != blocks.block:
        rows.append(("parts", f"each task computes up to {by_axis(blocks.part)} at a time"))
    client = None if job.target.is_local else active_client()
    if client is None:
        tasks = "a task" if blocks.tasks_at_once == 1 else f"up to {blocks.tasks_at_once} tasks"
        shared = f" that share the parts of {tasks}" if blocks.shares_pieces else ""
        rows.append(("concurrent tasks", f"{counted(blocks.concurrent, 'thread')}{shared}, one kernel thread each"))
    else:
        workers = client.nthreads()
        rows.append(("concurrent tasks", f"{sum(workers.values())} on {len(workers)} workers, one kernel thread each"))
    by_zarr = [word for word, one in (("reading", blocks.reading), ("writing", blocks.writing)) if one.by_zarr]
    rows.append(
        (
            "codecs",
            f"zarr's for {' and '.join(by_zarr)}, up to {counted(blocks.concurrent, 'thread')}"
            if by_zarr
            else "in the tasks",
        )
    )
    if blocks.cache_bytes:
        again = blocks.decoded_bytes / max(job.plan.source_bytes, 1)
        spares = f"the source is decoded {again:.2f} times" if blocks.keep else "for the latest chunks"
        rows.append(("chunk cache", f"{format_bytes(blocks.cache_bytes)}: {spares}"))
    if blocks.column not in ((), job.plan.shape):
        rows.append(("order of tasks", f"in columns of {by_axis(blocks.column)} tasks"))
    each = " in each worker" if client is not None else " in all"
    rows.append(("peak bytes", f"{format_bytes(blocks.peak_bytes)}{each}, codecs included"))
    rows += [("note", note) for note in job.notes]
    lines = [*plan, *(f"{name:<20}{value}" for name, value in rows)]
    for name, one in job.labels:
        lines += [f"{'labels':<20}{name}", *(f"  {line}" for line in describe_job(one).splitlines())]
    return "\n".join(lines)
