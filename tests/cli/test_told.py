"""What a run tells of its ends, for each kind of target."""

import numpy as np
import pytest
from click.testing import CliRunner

from vrdask.cli import main

nibabel = pytest.importorskip("nibabel", reason="vrdask[nifti] is not installed")


@pytest.fixture
def head(tmp_path):
    """A volume of 2 mm whose header says no unit, as many do: positions are taken as millimetres."""
    image = nibabel.Nifti1Image(np.zeros((8, 10, 12), np.uint8), np.diag([2.0, 2, 2, 1]))
    nibabel.save(image, tmp_path / "head.nii")
    return tmp_path / "head.nii"


@pytest.mark.parametrize(
    ("name", "says"), [("out.nii", "NIfTI"), ("out.nii.gz", "NIfTI"), ("out.zarr", "OME-Zarr 0.5 image")]
)
def test_a_result_is_called_by_what_it_is(head, tmp_path, name, says):
    result = CliRunner().invoke(main, ["resample", str(head), str(tmp_path / name), "--spacing", "4mm", "--exact"])
    assert result.exit_code == 0, result.output
    last = result.output.splitlines()[-1]
    assert f"6x5x4 uint8, {says}: axes z, y, x, spacing z 4, y 4, x 4" in last
