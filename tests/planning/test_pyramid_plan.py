"""What holds of every plan of a pyramid: each write unit of each level is made by one task, out of one read."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyramids import small_blocks

from vrdask.boxes import contains, shape_of, whole
from vrdask.planning.pyramid_levels import levels_of
from vrdask.planning.pyramid_passes import Pass, Stored
from vrdask.planning.pyramid_plan import PyramidPlan, plan_pyramid
from vrdask.transforms.pyramid import pyramid


def stored(shapes, chunk, shard):
    found = []
    for shape in shapes:
        c = tuple(max(1, min(a, n)) for a, n in zip(chunk, shape, strict=True))
        unit = tuple(a * math.ceil(min(s, n) / a) for a, s, n in zip(c, shard, shape, strict=True))
        found.append(Stored(c, unit))
    return found


def check(plan: PyramidPlan, forms: list[Stored], copies: bool) -> None:
    """Each unit of each level, and each sum that is handed on, is written once, by a task that writes all of it."""
    what = plan.pyramid
    for level, form in enumerate(forms):
        for sums in {False, level in plan.sums_at}:
            count = np.zeros(what.shapes[level], int)
            for number in range(len(plan)):
                for one in plan.writes(number):
                    if (one.level, one.sums) == (level, sums):
                        count[tuple(slice(*side) for side in one.box)] += 1
                        for (start, stop), u, n in zip(one.box, form.unit, what.shapes[level], strict=True):
                            assert start % u == 0
                            assert stop % u == 0 or stop == n
            assert (count == (level > 0 or copies)).all()
    firsts = [one.first for one in plan.passes]
    assert firsts == sorted({*firsts})
    assert firsts[:1] in ([0], [])
    for one in plan.passes:
        assert isinstance(one, Pass)
        for smaller, larger in zip(one.cells, one.cells[1:], strict=False):
            assert smaller.level <= larger.level
        box = one.box(0)
        for kind in reversed(range(len(one.cells) - 1)):
            inner = one.within(box, kind)
            seen = np.zeros(shape_of(box), int)
            for cell in inner:
                assert contains(box, cell)
                seen[tuple(slice(a - z, b - z) for (a, b), (z, _) in zip(cell, box, strict=True))] += 1
            assert (seen == 1).all()
            box = inner[-1]


@given(data=st.data())
def test_each_unit_of_each_level_is_written_by_one_task(data):
    draw = data.draw
    ndim = draw(st.integers(1, 3))
    shape = tuple(draw(st.integers(1, {1: 200, 2: 40, 3: 16}[ndim])) for _ in range(ndim))
    steps = [tuple(draw(st.integers(1, 4)) for _ in range(ndim)) for _ in range(draw(st.integers(0, 4)))]
    what = pyramid(shape, steps, draw(st.sampled_from(("mean", "majority"))), np.dtype("uint16"))
    chunk = tuple(draw(st.integers(1, 9)) for _ in range(ndim))
    forms = stored(what.shapes, chunk, [c * draw(st.integers(1, 3)) for c in chunk])
    in_chunk = tuple(draw(st.integers(1, 9)) for _ in range(ndim)) if draw(st.booleans()) else None
    copies, threads, shares = draw(st.booleans()), draw(st.integers(1, 4)), draw(st.booleans())
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch, draw(st.integers(1, 4000)), draw(st.integers(1, 2000)))
        plan = plan_pyramid(what, forms, threads, None, in_chunk, copies=copies, shares=shares)
        check(plan, forms, copies)
        again = plan_pyramid(what, forms, 2, None, in_chunk, copies=copies, shares=shares, blocks=plan.blocks)
    assert [one.cells for one in again.passes] == [one.cells for one in plan.passes]


def test_a_large_volume_is_read_once_in_bounded_memory():
    sizes = {}
    for n in (1024, 4096, 8192):
        steps = levels_of((n,) * 3, "zyx", (0, 1, 2), (1.0,) * 3, (128,) * 3)
        what = pyramid((n,) * 3, steps, "mean", np.dtype("uint16"))
        assert what.shapes[-1] == (128,) * 3
        plan = plan_pyramid(what, stored(what.shapes, (128,) * 3, (128,) * 3), 2, None, (128,) * 3)
        assert plan.amplification == 1
        sizes[n] = plan.peak_bytes
        assert plan.passed_in_all < 1.02 * 2 * n**3
    assert sizes[1024] <= sizes[4096] == sizes[8192] < 2 * 320 << 20


def test_parts_grow_to_the_stored_chunks_of_the_source():
    what = pyramid((512, 512, 512), [(2, 2, 2)], "mean", np.dtype("uint8"))
    plan = plan_pyramid(what, stored(what.shapes, (32,) * 3, (32,) * 3), 1, None, (96, 128, 192))
    assert plan.amplification == 1
    assert [size % chunk for size, chunk in zip(plan.passes[0].cells[0].sizes[1:], (128, 192), strict=True)] == [0, 0]


def test_sums_are_handed_on_where_they_are_needed_alone():
    shape, steps = (256, 256), [(2, 2)] * 5
    for mode, dtype, handed in (("mean", "uint8", True), ("mean", "float32", False), ("min", "uint8", False)):
        what = pyramid(shape, steps, mode, np.dtype(dtype))
        with pytest.MonkeyPatch.context() as patch:
            small_blocks(patch, 2048, 1024)
            plan = plan_pyramid(what, stored(what.shapes, (16, 16), (16, 16)), 1)
        assert len(plan.passes) > 1
        assert bool(plan.sums_at) == handed


@pytest.mark.parametrize(("scale", "wanted"), [((4.0, 1.0), [(1, 2), (1, 2), (2, 2)]), ((1.0, 1.4), [(2, 2)]),
                                               ((1.0, 3.0), [(2, 1), (2, 1), (2, 2)])])  # fmt: skip
def test_auto_halves_the_finer_axes_until_they_agree(scale, wanted):
    found = levels_of((256, 256), "yx", (0, 1), scale, (8, 8), "auto")
    assert list(found[: len(wanted)]) == wanted
    assert {*found[len(wanted) :]} == {(2, 2)}


def test_every_box_of_a_task_is_made_of_its_block():
    what = pyramid((37, 50), [(3, 2), (2, 4)], "majority", np.dtype("uint8"))
    plan = plan_pyramid(what, stored(what.shapes, (4, 4), (4, 4)), 1)
    for one in plan.passes:
        for number, level in product(range(len(one)), range(one.first + 1, one.last + 1)):
            box = one.at_level(one.box(number), level)
            reads = box
            for k in reversed(range(one.first, level)):
                reads = what.steps[k].reads(reads)
            assert reads == one.box(number)
    assert whole(what.shapes[0])
