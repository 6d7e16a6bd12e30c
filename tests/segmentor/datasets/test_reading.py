"""From a manifest to fields: splits, resolutions, centres, and what is refused."""

import pytest

from pathexplain.errors import ConfigError
from pathexplain.segmentor.datasets.reading import IGNORE, read_field, read_manifest


def test_a_manifest_is_split_by_patient_and_read_at_the_working_mpp(manifest):
    records = read_manifest(manifest)
    assert {record.split for record in records} == {"train", "validation", "test"}
    assert records[0].region == "breast"
    field = read_field(records[0], mpp=0.5)
    assert field.image.shape == (80, 80, 3)
    assert field.interior is not None
    assert field.interior.max() > 200
    native = read_field(records[0], mpp=None)
    share = [(f.targets["nucleus"] == 1).mean() for f in (field, native)]
    # A pixel of which exactly half is covered counts, so small objects grow a little at 2:1.
    assert share[0] == pytest.approx(share[1], rel=0.06)


def test_points_teach_only_near_and_far(tmp_path, manifest):
    folder = tmp_path / "crchisto"
    (folder / "images").mkdir(parents=True)
    image = manifest.parent / "0.png"
    (folder / "images" / "a.png").write_bytes(image.read_bytes())
    (folder / "points.csv").write_text(
        "image,x_px,y_px,type\ncrchisto/images/a.png,80,80,epithelial\n"
        "crchisto/images/a.png,159,60,fibroblast\n"
    )
    table = tmp_path / "points.csv"
    table.write_text(
        "source,image,mask,kind,mpp,organ,patient,split,label\n"
        "crchisto,crchisto/images/a.png,,points,0.5,colon,,train,\n"
    )
    (record,) = read_manifest(table)
    target = read_field(record, mpp=0.5).targets["epithelial"]
    assert target[80, 80] == 1
    assert target[80, 88] == IGNORE
    assert target[80, 120] == 0
    assert target[108, 120] == 0
    assert target[115, 120] == IGNORE  # 15 µm below the last centre nobody looked


def test_a_missing_manifest_or_column_is_named(tmp_path, manifest):
    with pytest.raises(ConfigError, match="no such manifest"):
        read_manifest(tmp_path / "none.csv")
    (tmp_path / "short.csv").write_text("source,image\n")
    with pytest.raises(ConfigError, match="lacks the columns mask"):
        read_manifest(tmp_path / "short.csv")
    with pytest.raises(ConfigError, match="unknown sources"):
        read_manifest(manifest, sources=["nowhere"])
