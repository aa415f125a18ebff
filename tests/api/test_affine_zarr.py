"""affine_zarr and `vrdask affine`: the bits of at once, bounded plans, refusals that leave no trace."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from numpy.testing import assert_allclose, assert_array_equal

import vrdask
from vrdask.api.affine_zarr import affine_zarr, prepare
from vrdask.boxes import regular_edges, shape_of, size_of, slices_of
from vrdask.cli import main
from vrdask.images.ome_zarr import read_multiscale
from vrdask.planning.choose_blocks import plan_blocks
from vrdask.transforms.affine import affine

TURN = np.deg2rad(25)
MATRIX = np.array([[1.1, 0.1, 0], [0, np.cos(TURN), -np.sin(TURN)], [0, np.sin(TURN), np.cos(TURN)]])
OFFSET = (-2.0, 12.5, -9.0)


@pytest.fixture
def source(tmp_path):
    x = np.random.default_rng(0).integers(0, 65535, (50, 60, 70), np.uint16)
    zarr.create_array(tmp_path / "source.zarr", data=x, chunks=(16, 16, 16))
    return tmp_path / "source.zarr"


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("options", [{}, {"chunks": (7, 20, 32)}, {"chunks": 8, "shards": 32}, {"num_threads": 1}])
def test_block_by_block_equals_at_once(source, tmp_path, mode, options):
    expected = vrdask.affine_transform(zarr.open_array(source)[:], MATRIX, OFFSET, (40, 55, 80), mode)
    made = affine_zarr(source, tmp_path / "target.zarr", MATRIX, OFFSET, (40, 55, 80), mode, **options)
    assert_array_equal(made[:], expected, strict=True)


@pytest.mark.parametrize("in_chunk", [None, 24])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_a_plan_tiles_the_result_and_bounds_every_read(mode, in_chunk):
    what = affine((300, 310, 320), "uint8", MATRIX, OFFSET, (200, 210, 220), mode)
    in_edges = in_chunk and [regular_edges(n, in_chunk) for n in what.in_shape]
    unit = (16, 16, 32)
    blocks = plan_blocks(what, unit, unit, in_edges, 2, 64 << 20)
    plan = blocks.plan
    written = np.zeros(what.out_shape, int)
    for task in plan:
        written[slices_of(task.writes)] += 1
        assert all(n <= most for n, most in zip(shape_of(task.reads), shape_of(plan.largest[0]), strict=True))
        assert all(n <= most for n, most in zip(shape_of(task.writes), blocks.block, strict=True))
    assert all(b % u == 0 for b, u in zip(blocks.block, unit, strict=True))
    assert (written == 1).all()
    assert blocks.peak_bytes <= 64 << 20
    asked = sum(size_of(task.reads) for task in plan)
    assert asked <= plan.bytes_read <= plan.most_decoded_bytes
    assert in_chunk or plan.bytes_read == asked
    assert (blocks.cache_bytes > 0) == (in_chunk is not None)
    with pytest.raises(ValueError, match=r"memory_limit must be at least \d+ bytes .* 16x16x32 of the target"):
        plan_blocks(what, unit, unit, in_edges, 2, 1000)


def test_a_shard_is_made_in_parts_where_it_does_not_fit(source, tmp_path):
    limit = 12 << 20
    job = prepare(source, tmp_path / "target.zarr", MATRIX, OFFSET, (128, 128, 128), "cubic", chunks=16, shards=128,
                  memory_limit=limit, num_threads=2)  # fmt: skip
    assert job.blocks.part != job.blocks.block == (128,) * 3
    assert job.blocks.peak_bytes <= limit
    made = job.run()
    assert_array_equal(
        made[:], vrdask.affine_transform(zarr.open_array(source)[:], MATRIX, OFFSET, (128, 128, 128), "cubic")
    )


def test_an_array_is_a_target(source, tmp_path):
    x = zarr.open_array(source)[:]
    target = zarr.create_array(tmp_path / "there.zarr", shape=(40, 41, 42), chunks=(9, 20, 42), dtype="f4")
    vrdask.affine_zarr(source, target, MATRIX, OFFSET, (40, 41, 42), dtype="f4")
    assert_array_equal(target[:], vrdask.affine_transform(x, MATRIX, OFFSET, (40, 41, 42), dtype="f4"))
    for wrong, message in (
        ({"output_shape": (40, 41, 43), "dtype": "f4"}, "a target array must have shape"),
        ({"output_shape": (40, 41, 42)}, "a target array must have shape"),
        ({"output_shape": (40, 41, 42), "dtype": "f4", "resume": True}, "resume must be False when the target is an"),
        ({"output_shape": (40, 41, 42), "dtype": "f4", "chunks": 8}, "chunks and shards must be None"),
    ):
        with pytest.raises(ValueError, match=message):
            prepare(source, target, MATRIX, OFFSET, **wrong)
    with pytest.raises(ValueError, match="target must lie outside the source"):
        prepare(source, zarr.open_array(source), MATRIX)


@pytest.mark.parametrize(("in_dtype", "out_dtype"), [("uint8", "float64"), (">u2", ">u2"), ("float32", "uint8")])
@pytest.mark.parametrize("options", [{}, {"memory_limit": "3MiB"}, {"chunks": 8, "shards": 48, "memory_limit": "3MiB"}])
def test_types_and_small_limits(tmp_path, in_dtype, out_dtype, options):
    x = (np.random.default_rng(0).random((3, 40, 50)) * 200).astype(in_dtype)
    source = zarr.create_array(tmp_path / "source.zarr", data=x, chunks=(2, 13, 17))
    matrix, offset = [[0.8, 0.3], [-0.3, 0.9]], (3.0, 11.5)
    made = vrdask.affine_zarr(source, tmp_path / "target.zarr", matrix, offset, (48, 48), dtype=out_dtype, **options)
    assert_array_equal(made[:], vrdask.affine_transform(x, matrix, offset, (48, 48), dtype=out_dtype), strict=True)


def test_a_plan_of_very_many_tasks_is_made_at_once():
    what = affine((2**20,) * 3, "uint8", MATRIX, OFFSET, mode="cubic")
    edges = [regular_edges(n, 64) for n in what.in_shape]
    blocks = plan_blocks(what, (16,) * 3, (16,) * 3, edges, 2, 64 << 20)
    assert not blocks.plan.is_counted
    assert "bytes read          up to" in str(blocks.plan)
    assert blocks.plan[12345].reads
    assert repr(blocks.plan).startswith(
        "<BoxPlan affine-cubic 1048576x1048576x1048576 -> 1048576x1048576x1048576; tasks"
    )
    assert repr(blocks).startswith("<RunPlan affine-cubic: ")


def test_an_image_keeps_its_scale_where_the_map_has_one(tmp_path):
    ramp = np.broadcast_to(np.arange(30.0) * 0.5 + 7, (20, 30)).astype("f4")
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    steps = [{"type": "scale", "scale": [2.0, 0.5]}, {"type": "translation", "translation": [0.0, 7.0]}]
    group = zarr.open_group(tmp_path / "image.zarr", mode="w")
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": steps}]}],
    }
    group.create_array("0", data=ramp, chunks=(8, 8))
    made = affine_zarr(tmp_path / "image.zarr", tmp_path / "target.zarr", [1, 1.5], (0, 2), (20, 15))
    image = read_multiscale(dict(zarr.open_group(tmp_path / "target.zarr").attrs))
    assert image is not None
    assert_allclose(made[0], image.translation[1] + image.scale[1] * np.arange(15), rtol=1e-6)
    affine_zarr(tmp_path / "image.zarr", tmp_path / "turned.zarr", [[0, 1], [1, 0]], 0, (30, 20))
    assert isinstance(zarr.open(tmp_path / "turned.zarr"), zarr.Array)


def test_the_command(source, tmp_path):
    np.savetxt(tmp_path / "map.txt", np.column_stack([MATRIX, OFFSET]))
    target = tmp_path / "target.zarr"
    command = ["affine", str(source), str(target), "--matrix", str(tmp_path / "map.txt"), "--output-shape", "30,40,50"]
    dry = CliRunner().invoke(main, [*command, "--dry-run"])
    assert dry.exit_code == 0
    assert "peak bytes" in dry.output
    assert not target.exists()
    done = CliRunner().invoke(main, [*command, "--mode", "cubic", "--padding-mode", "border", "--threads", "2"])
    assert done.exit_code == 0, done.output
    x = zarr.open_array(source)[:]
    expected = vrdask.affine_transform(x, MATRIX, OFFSET, (30, 40, 50), "cubic", padding_mode="border")
    assert_array_equal(zarr.open_array(target)[:], expected)
    again = CliRunner().invoke(main, command)
    assert again.exit_code == 1
    assert "Error: target must not exist" in again.output
    assert CliRunner().invoke(main, [*command, "--overwrite", "--quiet"]).output == ""
    for text in ("1 0\nx 1\n", "1 0\n1\n", "# nothing\n", ""):
        (tmp_path / "map.txt").write_text(text)
        broken = CliRunner().invoke(main, command)
        assert broken.exit_code == 2
        assert "must hold rows of numbers" in broken.output


def test_a_picture_is_a_target(tmp_path):
    image = pytest.importorskip("PIL.Image")
    x = np.random.default_rng(0).integers(0, 255, (64, 48, 3), np.uint8)
    zarr.create_array(tmp_path / "image.zarr", data=x, chunks=(20, 20, 3))
    (tmp_path / "turn.txt").write_text("# a quarter turn\n0, 1\n-1, 0\n")
    command = ["affine", str(tmp_path / "image.zarr"), str(tmp_path / "turned.png"), "--matrix",
               str(tmp_path / "turn.txt"), "--axes", "0,1", "--offset", "0,47", "--output-shape", "48,64"]  # fmt: skip
    for extra in ([], ["--overwrite"]):
        assert CliRunner().invoke(main, command + extra).exit_code == 0
        assert_array_equal(np.asarray(image.open(tmp_path / "turned.png")), np.rot90(x))
    assert "target must not exist" in CliRunner().invoke(main, command).output
    assert "chunks and shards must be None" in CliRunner().invoke(main, [*command, "--chunks", "4,4,3"]).output


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_volume_of_a_scanner_is_a_source(tmp_path, suffix):
    nibabel = pytest.importorskip("nibabel")
    x = np.random.default_rng(0).integers(0, 2000, (20, 21, 22)).astype("i2")
    nibabel.save(nibabel.Nifti1Image(x, np.diag([1, 1, 2.0, 1])), tmp_path / f"ct{suffix}")
    made = affine_zarr(tmp_path / f"ct{suffix}", tmp_path / "turned.zarr", MATRIX, OFFSET, mode="cubic")
    assert_array_equal(made[:], vrdask.affine_transform(x.T.copy(), MATRIX, OFFSET, mode="cubic"))


def test_refusals_leave_no_trace(source, tmp_path):
    target = tmp_path / "target.zarr"
    for options, message in (
        ({"matrix": np.zeros((3, 3))}, "matrix must be invertible"),
        ({"matrix": MATRIX, "memory_limit": 1000}, "memory_limit must be at least"),
        ({"matrix": MATRIX, "chunks": 5, "shards": 12}, "chunks must divide shards"),
        ({"matrix": MATRIX, "mode": "area"}, "mode must be one of"),
    ):
        with pytest.raises(ValueError, match=message):
            prepare(source, target, **options)
    with pytest.raises(ValueError, match="target must lie outside the source"):
        prepare(source, source / "inside.zarr", MATRIX)
    assert not target.exists()


def test_on_a_cluster(source, tmp_path, client):
    expected = vrdask.affine_transform(zarr.open_array(source)[:], MATRIX, OFFSET, mode="cubic")
    assert_array_equal(affine_zarr(source, tmp_path / "target.zarr", MATRIX, OFFSET, mode="cubic")[:], expected)


def test_a_region_is_the_source(tmp_path):
    x = np.random.default_rng(5).random((9, 12, 10)).astype("f4")
    source = zarr.create_array({}, data=x, chunks=(4, 4, 4), dimension_names=("z", "y", "x"))
    made = vrdask.affine_zarr(source, tmp_path / "out.zarr", np.eye(2) * 0.5, mode="linear", region={"y": (3, 11)})
    assert_array_equal(made[:], vrdask.affine_transform(x[:, 3:11], np.eye(2) * 0.5, mode="linear"))
