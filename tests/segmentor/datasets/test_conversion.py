"""Converting: resolution, cutting, resuming, broken pictures, and the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pathexplain.cli import main
from pathexplain.errors import ConfigError
from pathexplain.segmentor.datasets import convert, read_rows
from pathexplain.segmentor.datasets.readers.files import read_labels, read_mat, read_rgb
from pathexplain.segmentor.datasets.writing import mask_pixels

Save = Callable[[Path, np.ndarray], Path]


@pytest.fixture
def tnbc(tmp_path: Path, save: Save, stained: np.ndarray, two_objects: np.ndarray) -> Path:
    """Three slides of TNBC."""
    folder = tmp_path / "TNBC"
    binary = np.where(two_objects > 0, 255, 0).astype(np.uint8)
    for slide in ("01", "02", "03"):
        save(folder / f"Slide_{slide}" / f"{slide}_1.png", stained)
        save(folder / f"GT_{slide}" / f"{slide}_1.png", binary)
    return folder


def test_pictures_and_masks_come_at_the_resolution_asked_for(
    tnbc: Path, converted: Callable, two_objects: np.ndarray
) -> None:
    made = converted("tnbc", tnbc, mpp=0.5)
    row = made.rows["01_1", "nucleus"]
    with Image.open(row.image) as image:
        assert (image.mode, image.size) == ("RGB", (32, 24))
    values = made.values("01_1", "nucleus")
    assert values.shape == (24, 32)
    assert row.mpp == 0.5
    area_um2 = (two_objects > 0).sum() * 0.25**2
    assert (values > 0).sum() * 0.5**2 == pytest.approx(area_um2, rel=0.1)


def test_stated_resolution_goes_before_the_published_one(tnbc: Path, converted: Callable) -> None:
    made = converted("tnbc", tnbc, source_mpp=0.4)
    assert made.rows["01_1", "nucleus"].mpp == 0.4


@pytest.mark.parametrize("cut", [True, False])
def test_large_pictures_are_cut(tmp_path: Path, save: Save, converted: Callable, cut: bool) -> None:
    labels = np.zeros((64, 1600), np.uint8)
    labels[10:20, 100:200], labels[30:40, 980:1020] = 1, 2
    pixels = np.full((64, 1600, 3), (220, 170, 200), np.uint8)
    pixels[labels > 0] = (90, 60, 130)
    save(tmp_path / "images" / "wide.png", pixels)
    save(tmp_path / "masks" / "wide.png", labels)
    prompt = "tissue-level gland in colon"
    made = converted("folder", tmp_path, prompt=prompt, source_mpp=0.5, cut=cut)
    if not cut:
        assert made.pictures == ["wide"]
        return
    assert made.pictures == ["wide__0-0", "wide__0-1"]
    assert made.objects("wide__0-0", "gland") == {1, 2}
    assert made.objects("wide__0-1", "gland") == {2}
    starts = {"wide__0-0": 0, "wide__0-1": 576}
    for picture, x in starts.items():
        row = made.rows[picture, "gland"]
        assert (np.asarray(Image.open(row.image)) == pixels[:, x : x + 1024]).all()
        assert (made.values(picture, "gland") == labels[:, x : x + 1024]).all()
        assert row.patient == "wide"


def test_an_interrupted_run_goes_on_where_it_stopped(tnbc: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def stop(done: int, total: int) -> None:
        assert total == 3
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert("tnbc", tnbc, out=out, progress=stop)
    assert not (out / "dataset.csv").exists()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    assert len(before) == 4
    with (out / "finished.jsonl").open("a") as file:
        file.write('{"name": "03_1", "inp')  # torn by the interruption
    made = convert("tnbc", tnbc, out=out)
    assert [p.status for p in made.pictures] == ["skipped", "skipped", "done"]
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())
    assert [row.image.stem for row in read_rows(out)] == ["01_1", "02_1", "03_1"]
    again = convert("tnbc", tnbc, out=out)
    assert [p.status for p in again.pictures] == ["skipped"] * 3
    assert [vars(row) for row in read_rows(out)] == [vars(row) for row in read_rows(made.table)]


def test_changed_and_lost_pictures_are_made_again(
    tnbc: Path, tmp_path: Path, save: Save, stained: np.ndarray
) -> None:
    out = tmp_path / "out"
    convert("tnbc", tnbc, out=out)
    save(tnbc / "Slide_01" / "01_1.png", 255 - stained)
    with (tnbc / "Slide_01" / "01_1.png").open("ab") as file:
        file.write(b"longer")
    (out / "masks" / "02_1__nuclei-nucleus.png").unlink()
    made = convert("tnbc", tnbc, out=out)
    assert [p.status for p in made.pictures] == ["done", "done", "skipped"]
    assert (read_rgb(out / "images" / "01_1.png") == 255 - stained).all()


def test_a_folder_made_otherwise_is_refused(tnbc: Path, tmp_path: Path) -> None:
    convert("tnbc", tnbc, out=tmp_path / "out")
    with pytest.raises(ConfigError, match="made otherwise"):
        convert("tnbc", tnbc, out=tmp_path / "out", mpp=0.5)


def test_a_broken_picture_is_named_and_the_others_are_made(
    tnbc: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], two_objects: np.ndarray
) -> None:
    broken = tnbc / "Slide_02" / "02_1.png"
    broken.write_bytes(broken.read_bytes()[:300])
    (tnbc / "GT_03" / "03_1.png").unlink()
    out = tmp_path / "out"
    assert main(["dataset", "tnbc", str(tnbc), "--out", str(out)]) == 3
    said = capsys.readouterr()
    assert said.out.strip() == str(out / "dataset.csv")
    assert f"failed: 02_1: {broken}" in said.err
    assert f"failed: 03_1: {tnbc / 'GT_03' / '03_1.png'}" in said.err
    assert "1 done, 2 failed; 1 rows" in said.err
    summary = json.loads((out / "dataset.json").read_text())
    assert set(summary["failed"]) == {"02_1", "03_1"}
    assert summary["source"]["licence"] == "CC BY 4.0"
    # Mended, they are made by the same command, and the first is left alone.
    Image.fromarray(np.zeros((*two_objects.shape, 3), np.uint8)).save(broken)
    Image.fromarray(two_objects).save(tnbc / "GT_03" / "03_1.png")
    assert main(["dataset", "tnbc", str(tnbc), "--out", str(out)]) == 0
    assert "2 done, 1 skipped; 3 rows" in capsys.readouterr().err


def test_a_mask_of_another_size_is_refused_by_name(tnbc: Path, tmp_path: Path, save: Save) -> None:
    save(tnbc / "GT_01" / "01_1.png", np.zeros((10, 10), np.uint8))
    made = convert("tnbc", tnbc, out=tmp_path / "out")
    (failed,) = (p for p in made.pictures if p.status == "failed")
    assert "01_1.png: the mask is (10, 10) px, its picture (48, 64)" in failed.reason


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["crchisto", "."], "not converted: CRCHistoPhenotypes"),
        (["nonsense", "."], "unknown source 'nonsense'; known are glas"),
        (["glas", "gone"], "no such folder"),
        (["glas", "."], r"no Grade.csv in it"),
        (["monuseg", "."], "no pictures of monuseg"),
        (["consep", "."], "no folder train or"),
        (["tnbc", ".", "--mpp", "0"], "mpp is 0.0"),
        (["tnbc"], "give a source and its folder, or --list"),
    ],
)
def test_wrong_input_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["dataset", *arguments, "--out", "out"]) == 2
    assert message in capsys.readouterr().err


def test_sources_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dataset", "--list"]) == 0
    said = capsys.readouterr().out
    assert "CC BY-NC-SA 4.0" in said
    assert "lizard: nuclei-level nucleus, nuclei-level epithelial" in said
    assert "not crchisto" in said
    assert main(["dataset", "--list", "--json"]) == 0
    listed: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert listed["sources"]["glas"]["about"]["paper"].endswith("10.1016/j.media.2016.08.008")
    assert listed["sources"]["glas"]["categories"][0] == "tissue-level gland"


def test_masks_hold_16_bits() -> None:
    many = np.arange(65_534, dtype=np.int32).reshape(2, -1)
    assert (mask_pixels(many) == many).all()
    large = many * 3
    assert (np.unique(mask_pixels(large)) == np.arange(65_534)).all()
    with pytest.raises(ValueError, match="more than a 16-bit mask holds"):
        mask_pixels(np.arange(65_540, dtype=np.int32).reshape(2, -1) * 2)


def test_files_that_hold_something_else_are_named(tmp_path: Path, save: Save) -> None:
    colored = np.zeros((4, 4, 3), np.uint8)
    colored[0, 0] = (1, 2, 3)
    with pytest.raises(OSError, match=r"a\.png: a colored picture"):
        read_labels(save(tmp_path / "a.png", colored))
    with pytest.raises(OSError, match=r"b\.tif: float32"):
        read_rgb(save(tmp_path / "b.tif", np.zeros((4, 4), np.float32)))
    (tmp_path / "c.mat").write_bytes(
        b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM"
    )
    with pytest.raises(ConfigError, match=r"c\.mat: MATLAB 7\.3 .*save it again with -v7"):
        read_mat(tmp_path / "c.mat", "inst_map")
    (tmp_path / "d.mat").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"d\.mat: no MATLAB file"):
        read_mat(tmp_path / "d.mat", "inst_map")
