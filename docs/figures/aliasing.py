"""Rings that get finer outwards, at a fifth of the size, by five modes: some alias, some do not."""

import matplotlib.pyplot as plt
import numpy as np

import vrdask

n = 600
y, x = np.mgrid[-1 : 1 : n * 1j, -1 : 1 : n * 1j]
rings = 0.5 + 0.5 * np.cos(0.22 * np.pi * n / 2 * (x**2 + y**2))

figure, axes = plt.subplots(1, 6, figsize=(11, 2.2), layout="constrained")
axes[0].imshow(rings, cmap="gray", vmin=0, vmax=1, interpolation="antialiased")
axes[0].set_title(f"source, {n} x {n}")
for ax, mode in zip(axes[1:], ("nearest", "linear", "cubic", "area", "lanczos"), strict=True):
    ax.imshow(vrdask.resample(rings, (n // 5, n // 5), mode), cmap="gray", vmin=0, vmax=1)
    ax.set_title(mode)
for ax in axes:
    ax.set_axis_off()
