"""Every mode's matrix, 12 samples to 7 and 7 to 12: the rows of the identity, resampled."""

import matplotlib.pyplot as plt
import numpy as np

import vrdask

MODES = [
    *("nearest", "linear", "area", "area_exact", "cubic"),
    *("box", "bilinear", "hamming", "bicubic", "lanczos", "mks2013", "mks2021"),
]

figure, axes = plt.subplots(6, 4, figsize=(9, 12.5), layout="constrained")
for place, mode in enumerate(MODES):
    for column, (n_in, n_out) in enumerate([(12, 7), (7, 12)]):
        ax = axes[place // 2, 2 * (place % 2) + column]
        matrix = vrdask.resample(np.eye(n_in), n_out, mode, axes=0)
        shown = ax.imshow(np.ma.masked_equal(matrix, 0), cmap="RdBu_r", vmin=-1, vmax=1)
        ax.set_title(f"{mode}, {n_in} to {n_out}")
        ax.set_xticks(range(n_in), minor=True)
        ax.set_yticks(range(n_out), minor=True)
        ax.set_facecolor("0.96")
figure.supxlabel("source sample")
figure.supylabel("output sample")
figure.colorbar(shown, ax=axes, shrink=0.3, label="weight")
