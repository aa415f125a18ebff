"""Opening a DICOM series of thousands of files: seconds, beside pydicom's reading of the same headers.

python benchmarks/bench_dicom.py --files 10000

The files are copies of pydicom's CT_small.dcm (256 elements), each at its place. They are in the system's cache when
they are read: one round before those that count. Rounds of ours and of pydicom's follow each other; the figures are
medians.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pydicom
from bench_kernels import machine
from pydicom.data import get_testdata_file

from vrdask.sources import open_source
from vrdask.sources.dicom_frames import KEYWORDS


def write(folder: Path, count: int) -> None:
    """A series of so many slices, half a millimetre apart."""
    file = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    for k in range(count):
        file.ImagePositionPatient = [-158.1358, -179.0358, round(k * 0.5, 6)]
        file.InstanceNumber = k + 1
        file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{k}"
        file.save_as(folder / f"IM{k:06d}.dcm")


def by_pydicom(folder: Path) -> None:
    """The headers as pydicom reads those elements, one after the other."""
    for path in folder.iterdir():
        pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(KEYWORDS))


def seconds(run: Callable[[], object]) -> tuple[float, float]:
    """By the clock, and of the processor."""
    begun, used = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - begun, time.process_time() - used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, asked.files)
        runs = {"vrdask, the series opened": lambda: open_source(folder), "pydicom": lambda: by_pydicom(folder)}
        open_source(folder)
        found: dict[str, list[tuple[float, float]]] = {one: [] for one in runs}
        for _ in range(asked.repeats):
            for one, run in runs.items():
                found[one].append(seconds(run))
    for one, times in found.items():
        clock, used = (median(column) for column in zip(*times, strict=True))
        print(f"{one}: {asked.files} files in {clock:.2f} s, {used:.2f} s of the processor")


if __name__ == "__main__":
    main()
