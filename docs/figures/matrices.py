"""Every mode's matrix, 12 samples to 7 and 7 to 12: the rows of the identity, resampled."""

import matplotlib.pyplot as plt
import numpy as np

import vrdask

MODES = [
    *("nearest", "linear", "area", "area_exact", "cubic"),
    *("box", "bilinear", "hamming", "bicubic", "lanczos", "mks2013", "mks2021"),
]

figure, axes = plt.subplots(6, 4, figsize=(8.6, 12), width_ratios=[12, 7, 12, 7], layout="constrained")
for place, mode in enumerate(MODES):
    for column, (n_in, n_out) in enumerate([(12, 7), (7, 12)]):
        ax = axes[place // 2, 2 * (place % 2) + column]
        matrix = vrdask.resample(np.eye(n_in), n_out, mode, axes=0)
        shown = ax.imshow(np.ma.masked_equal(matrix, 0), cmap="RdBu_r", vmin=-1, vmax=1)
        ax.set_title(f"{mode}, {n_in} to {n_out}" if column == 0 else f"{n_in} to {n_out}")
        ax.set_xticks(range(0, n_in, 3))
        ax.set_yticks(range(0, n_out, 3))
        ax.set_facecolor("0.96")
axes[0, 0].set(xlabel="source sample", ylabel="output sample")
figure.colorbar(shown, ax=axes, location="bottom", shrink=0.4, aspect=40, ticks=[-1, -0.5, 0, 0.5, 1], label="weight")
