"""What is said of modes that alias, and of names that other libraries have."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

import vrdask
from vrdask.cli import main
from vrdask.transforms.hints import KEYWORDS, aliasing, did_you_mean
from vrdask.transforms.modes import MODES
from vrdask.transforms.resampling import resampling
from vrdask.transforms.sampling import MODES as OF_SAMPLING


@pytest.fixture
def source(tmp_path):
    zarr.create_array(tmp_path / "x.zarr", data=np.zeros((40, 50), np.uint8))
    return tmp_path / "x.zarr"


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("factor", "said"), [("0.3", True), ("0.5", False), ("2", False), ("0=1,1=0.4", True)])
def test_a_mode_that_aliases_is_said_once_with_those_that_do_not(source, tmp_path, mode, factor, said):
    told = run("resample", source, tmp_path / "t.zarr", "--factor", factor, "--mode", mode)
    assert told.exit_code == 0, told.output
    expected = said and mode in ("nearest", "linear", "cubic")
    assert told.stderr.count("Hint: ") == expected
    if expected:
        (line,) = [line for line in told.stderr.splitlines() if "Hint: " in line]
        assert line.startswith(f"Hint: {mode} below half size")
        assert line.endswith("bilinear, lanczos and area weigh them all")
    assert "Hint" not in told.stdout


def test_quiet_says_nothing(source, tmp_path):
    assert run("resample", source, tmp_path / "t.zarr", "--factor", "0.3", "--quiet").output == ""


def test_the_mode_of_each_axis_counts():
    mixed = resampling((40, 50), (10, 10), {0: "area", 1: "cubic"})
    assert aliasing(mixed).startswith("cubic below")
    assert aliasing(resampling((40, 50), (10, 30), {0: "area", 1: "cubic"})) is None


@pytest.mark.parametrize(
    ("given", "meant"),
    [("trilinear", "linear"), ("nearest-exact", "nearest"), ("INTER_AREA", "area_exact"), (3, "cubic"), (1, "linear")],
)
def test_names_of_other_libraries_are_understood(given, meant):
    with pytest.raises(ValueError, match=rf"mode must be one of nearest, .*; got {given!r}: did you mean '{meant}'\?$"):
        vrdask.resample(np.zeros((4, 4)), (2, 2), given)
    assert meant in MODES


@pytest.mark.parametrize(
    ("given", "meant"), [("bilinear", "linear"), ("bicubic", "cubic"), ("nearest-exact", "nearest")]
)
def test_names_of_modes_at_positions(given, meant):
    with pytest.raises(ValueError, match=rf"got '{given}': did you mean '{meant}'\?$"):
        vrdask.grid_sample(np.zeros((1, 1, 4, 4)), np.zeros((1, 2, 2, 2)), given)
    with pytest.raises(ValueError, match=rf"got '{given}': did you mean '{meant}'\?$"):
        vrdask.affine_transform(np.zeros((4, 4)), np.eye(2), mode=given)
    assert meant in OF_SAMPLING


def test_no_name_that_is_known_is_corrected():
    assert not any(map(did_you_mean, MODES))
    assert not any(did_you_mean(mode, sampling=True) for mode in OF_SAMPLING)
    assert not did_you_mean("wavy")
    assert not did_you_mean(["linear"])


@pytest.mark.parametrize("name", KEYWORDS)
def test_arguments_of_other_libraries_are_understood(name, source):
    for call in (
        lambda **wrong: vrdask.resample(np.zeros((4, 4)), (2, 2), **wrong),
        lambda **wrong: vrdask.grid_sample(np.zeros((1, 1, 4, 4)), np.zeros((1, 2, 2, 2)), **wrong),
        lambda **wrong: vrdask.resample_zarr(source, {}, (2, 2), **wrong),
    ):
        with pytest.raises(TypeError) as error:
            call(**{name: 1})
        assert str(error.value).endswith(f"() got an unexpected keyword argument {name!r}: {KEYWORDS[name]}")
    assert "prepare" not in str(error.value)


def test_an_error_within_a_function_is_told_as_it_is():
    with pytest.raises(TypeError, match=r"shape must hold integers; got 2.5"):
        vrdask.resample(np.zeros((4, 4)), shape=(2.5, 2))
    with pytest.raises(TypeError, match=r"resample\(\) got an unexpected keyword argument 'colour'$"):
        vrdask.resample(np.zeros((4, 4)), (2, 2), colour=3)


def test_the_command_line_understands_them_too(source, tmp_path):
    told = run("resample", source, tmp_path / "t.zarr", "--factor", "0.5", "--mode", "trilinear")
    assert told.exit_code == 2
    assert "did you mean 'linear'?" in told.stderr
    told = run("resample", source, tmp_path / "t.zarr", "--factor", "0.5", "--mode", "wavy")
    assert told.exit_code == 2
    assert "did you mean" not in told.stderr
    assert not (tmp_path / "t.zarr").exists()
