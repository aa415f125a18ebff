"""One axis's matrix, cut into three output chunks, and the samples that each of them reads."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm

import vrdask

n_in, n_out, chunks = 60, 36, (9, 7, 20)
matrix = np.abs(vrdask.resample(np.eye(n_in, dtype="float32"), n_out, "cubic", axes=0))
plan = vrdask.plan_resample((n_in,), (n_out,), "cubic", out_chunks=(chunks,))

figure, ax = plt.subplots(figsize=(8.6, 4.2), layout="constrained")
shown = ax.imshow(np.ma.masked_equal(matrix, 0), cmap="Blues", norm=LogNorm(1e-8, 1), aspect="auto")
for task, color in zip(plan, ("tab:red", "tab:green", "tab:purple"), strict=True):
    ((first, last),), ((start, stop),) = task.reads, task.writes
    ax.add_patch(plt.Rectangle((first - 0.5, start - 0.5), last - first, stop - start, fill=False, color=color, lw=2))
ax.set(title=f"cubic, {n_in} to {n_out}", xlabel="source sample", ylabel="output sample")
figure.colorbar(shown, ax=ax, label="weight, without its sign")
