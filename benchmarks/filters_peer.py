"""A library that resizes pictures, in an environment of its own: `bench_filters.py` drives it line by line.

python filters_peer.py LIBRARY IMAGE.npy

Standard input has a JSON object per line: width, height, filter, threads, and where to `save` the result, or null. The
answer is the milliseconds that one call took, after untimed ones of the same arguments. An image that the library has
an object of its own for is made one beforehand, and the result stays one: only the resizing is timed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from turns import warm_up

Call = Callable[[], Any]


def by_pillow(x: Any, job: dict[str, Any]) -> tuple[Call, Callable[[Any], Any]]:
    """Pillow or Pillow-SIMD: one thread."""
    from PIL import Image

    image = Image.fromarray(x)
    kind = getattr(Image, "Resampling", Image)[job["filter"].upper()]
    return lambda: image.resize((job["width"], job["height"]), kind), np.asarray


def by_opencv(x: Any, job: dict[str, Any]) -> tuple[Call, Callable[[Any], Any]]:
    """Its filters have two, four and eight taps whatever the ratio: they do not antialias."""
    import cv2

    cv2.setNumThreads(job["threads"])
    kind = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}[job["filter"]]
    return lambda: cv2.resize(x, (job["width"], job["height"]), interpolation=kind), np.asarray


def by_vips(x: Any, job: dict[str, Any]) -> tuple[Call, Callable[[Any], Any]]:
    """Its own antialiased kernels, on as many threads as its environment says."""
    import pyvips

    image = pyvips.Image.new_from_array(x).copy_memory()
    kind = {"bilinear": "linear", "bicubic": "cubic", "lanczos": "lanczos3"}[job["filter"]]
    scale = {"vscale": job["height"] / x.shape[0], "kernel": kind}
    return lambda: image.resize(job["width"] / x.shape[1], **scale).copy_memory(), lambda result: result.numpy()


def by_fast_image_resize(x: Any, job: dict[str, Any]) -> tuple[Call, Callable[[Any], Any]]:
    """cykooz.resizer, from one image object into another that is there."""
    import cykooz_resizer as fir

    names = {"bilinear": "bilinear", "bicubic": "catmull_rom", "lanczos": "lanczos3"}
    how = fir.ResizeAlg.convolution(getattr(fir.FilterType, names[job["filter"]]))
    pool = {} if job["threads"] == 1 else {"thread_pool": fir.ResizerThreadPool(job["threads"])}
    resizer, options = fir.Resizer(), fir.ResizeOptions(resize_alg=how, use_alpha=False, **pool)
    kind = fir.PixelType.U8x3
    source = fir.ImageData(x.shape[1], x.shape[0], kind, x.tobytes())
    target = fir.ImageData(job["width"], job["height"], kind)

    def run() -> Any:
        resizer.resize(source, target, options)
        return target

    def as_array(result: Any) -> Any:
        return np.frombuffer(result.get_buffer(), np.uint8).reshape(job["height"], job["width"], 3)

    return run, as_array


def version_of(library: str) -> str:
    if library == "opencv":
        import cv2

        return str(cv2.__version__)
    if library == "pyvips":
        import pyvips

        return f"{pyvips.__version__} (libvips {pyvips.version(0)}.{pyvips.version(1)})"
    if library == "fast_image_resize":
        from importlib.metadata import version

        import cykooz_resizer  # noqa: F401 (whether it is there)

        return f"{version('cykooz.resizer')} (cykooz.resizer)"
    import PIL

    return str(PIL.__version__)


LIBRARIES = {
    "pillow": by_pillow,
    "pillow-simd": by_pillow,
    "opencv": by_opencv,
    "pyvips": by_vips,
    "fast_image_resize": by_fast_image_resize,
}


def main() -> None:
    library, path = sys.argv[1:]
    x = np.load(path)
    print(json.dumps(version_of(library)), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        call, as_array = LIBRARIES[library](x, job)
        result = call()
        if job["save"]:
            np.save(job["save"], as_array(result))
        del result
        warm_up(call)
        begun = time.perf_counter()
        result = call()
        seconds = time.perf_counter() - begun
        del result
        print(json.dumps(1e3 * seconds), flush=True)


if __name__ == "__main__":
    main()
