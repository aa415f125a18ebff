"""Plans as pictures: well-formed, boxes where tasks read and write, nothing where there is nothing."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from strategies import chunks_of, problems

import vrdask
from vrdask.boxes import regular_edges
from vrdask.planning.box_plan import BoxPlan
from vrdask.planning.drawing import COLOURS, LEFT, MOST_LINES, SIDE, TOP
from vrdask.transforms.affine import affine

SVG = "{http://www.w3.org/2000/svg}"


def picture(plan):
    html = plan._repr_html_()
    return ET.fromstring(html[html.index("<svg") :])


def boxes(svg, colour):
    """Of one task: left, top, width and height of each box, in the order in which they are drawn."""
    names = ("x", "y", "width", "height")
    return [[float(one.get(name)) for name in names] for one in svg.iter(f"{SVG}rect") if one.get("fill") == colour]


def test_boxes_are_where_tasks_read_and_write():
    plan = vrdask.plan_resample((100, 200), (50, 100), "cubic", in_chunks=50, out_chunks=(25, 50))
    svg = picture(plan)
    scale = SIDE / 200
    for number, colour in zip((0, 3), COLOURS, strict=False):
        decoded, reads, writes = boxes(svg, colour)
        (top, bottom), (left, right) = plan[number].reads
        assert_allclose(
            reads,
            [LEFT + left * scale, TOP + top * scale, (right - left) * scale, (bottom - top) * scale],
            atol=0.1,
        )
        assert decoded[0] <= reads[0]
        assert decoded[1] <= reads[1]
        chunks = np.array(decoded[2:]) / scale / 50
        assert_allclose(chunks, np.rint(chunks), atol=0.01)
        (top, bottom), (left, right) = plan[number].writes
        assert_allclose(writes[2:], [(right - left) * SIDE / 100, (bottom - top) * SIDE / 100], atol=0.1)
    words = " ".join(svg.itertext())
    assert "source 100x200" in words
    assert "result 50x100" in words
    assert "2 of 4 tasks" in words


@given(problem=problems(), data=st.data())
def test_any_plan_can_be_drawn(problem, data):
    in_chunks = data.draw(st.none() | chunks_of(problem.what.in_shape))
    what = problem.what
    plan = vrdask.plan_resample(
        what.in_shape, what.out_shape, "linear", in_chunks=in_chunks, out_chunks=data.draw(chunks_of(what.out_shape))
    )
    svg = picture(plan)
    width, height = float(svg.get("width")), float(svg.get("height"))
    for colour in COLOURS:
        for left, top, across, down in boxes(svg, colour):
            assert 0 <= left <= left + across <= width
            assert 0 <= top <= top + down <= height


def test_an_affine_map_is_drawn_too():
    turned = affine(
        (64, 64), np.dtype("uint8"), [[0.9, -0.3], [0.3, 0.9]], (5, -8), None, "linear", "constant", 0, None
    )
    edges = (regular_edges(64, 16),) * 2
    svg = picture(BoxPlan(turned, edges, edges))
    assert [len(boxes(svg, colour)) for colour in COLOURS] == [3, 3, 3]


@pytest.mark.parametrize("chunk", [4, 3])
def test_lines_that_could_not_be_told_apart_are_left_out(chunk):
    n = 4 * MOST_LINES
    lines = list(picture(vrdask.plan_resample((n,), (n,), out_chunks=chunk)).iter(f"{SVG}path"))
    assert len(lines) == (1 if chunk == 4 else 0)


def test_nothing_is_drawn_of_nothing():
    plan = vrdask.plan_resample((0, 5), (0, 3), axes=(1,))
    assert "<svg" not in plan._repr_html_()
