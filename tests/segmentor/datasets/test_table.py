"""The table of a dataset: what a user may write, and every fault at once."""

import csv
from pathlib import Path

import pytest

from pathexplain.errors import ConfigError
from pathexplain.segmentor.datasets.table import COLUMNS, Row, read_rows, write_rows


def write(folder: Path, *lines: str, header: str = "image,mask,prompt,mpp") -> Path:
    for name in ("a.png", "b.png", "m.png"):
        (folder / name).write_bytes(b"")
    path = folder / "mine.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_four_columns_are_enough(tmp_path: Path) -> None:
    path = write(tmp_path, "a.png,m.png,Lymphocytes in breast,0.25", "b.png,,colon glands,0.5")
    first, second = read_rows(path)
    assert first.prompt == "nuclei-level lymphocyte in breast pathology"
    assert (first.category, first.structure, first.region) == ("lymphocyte", "nuclei", "breast")
    assert (first.kind, first.ignore, first.split) == ("instances", None, "")
    assert (first.source, first.licence) == ("own", "as stated by the owner")
    assert first.patient == "a.png"
    assert first.mask == tmp_path / "m.png"
    assert second.mask is None
    assert (second.mpp, second.line) == (0.5, 3)


def test_new_objects_need_a_structure_only(tmp_path: Path) -> None:
    (row,) = read_rows(write(tmp_path, "a.png,m.png,tissue-level keratin pearl in skin,1"))
    assert (row.category, row.structure, row.region) == ("keratin pearl", "tissue", "skin")
    assert row.kind == "region"
    with pytest.raises(ConfigError, match="tissue-level keratin pearl in colon"):
        read_rows(write(tmp_path, "a.png,m.png,keratin pearl,1"))


def test_spreadsheets_mark_and_blank_lines_are_no_matter(tmp_path: Path) -> None:
    path = write(tmp_path, "", "a.png , m.png, glands in colon , 0.5 ", ",,,")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    (row,) = read_rows(path)
    assert (row.image.name, row.line) == ("a.png", 3)


def test_all_faults_come_at_once_with_their_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "gone.png,m.png,gland,0.5,,,,",
        "a.png,gone.png,gland,0.5,,,,",
        "a.png,m.png,gland,0,,,,",
        "a.png,m.png,gland,half,,,,",
        "a.png,m.png,gland,0.5,blob,,,",
        "a.png,m.png,gland,0.5,,99999,,",
        "a.png,m.png,gland,0.5,,,holdout,",
        "a.png,m.png,,0.5,,,,",
        ",m.png,gland,nan,,,,",
        header="image,mask,prompt,mpp,kind,ignore,split,patient",
    )
    with pytest.raises(ConfigError) as caught:
        read_rows(path)
    lines = str(caught.value).splitlines()
    words = ["image", "mask", "mpp", "mpp", "kind", "ignore", "split", "prompt", "image", "mpp"]
    numbers = [2, 3, 4, 5, 6, 7, 8, 9, 10, 10]
    found = [line.removeprefix(f"{path}:").split(":")[:2] for line in lines]
    assert found == [[str(n), f" {word}"] for n, word in zip(numbers, words, strict=True)]
    assert (caught.value.path, caught.value.line) == (str(path), 2)


def test_rows_must_agree_with_each_other(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "a.png,m.png,gland,0.5,train,p1",
        "a.png,m.png,glands,0.5,train,p1",
        "a.png,m.png,nuclei,0.25,train,p1",
        "b.png,m.png,nuclei,0.5,test,p1",
        header="image,mask,prompt,mpp,split,patient",
    )
    with pytest.raises(ConfigError) as caught:
        read_rows(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"{path}:3: tissue-level gland of")
    assert "line 2" in lines[0]
    assert lines[1].startswith(f"{path}:4: mpp: 0.25, but 0.5")
    assert lines[2].startswith(f"{path}:5: patient: 'p1' is in split 'test' here and in 'train'")


def test_one_object_may_be_of_two_structures(tmp_path: Path) -> None:
    path = write(
        tmp_path, "a.png,m.png,nuclei-level lymphocyte,1", "a.png,m.png,cell-level lymphocyte,1"
    )
    assert [row.structure for row in read_rows(path)] == ["nuclei", "cell"]


@pytest.mark.parametrize(
    ("header", "lines", "message"),
    [
        ("image,mask,prompt", ["a.png,m.png,gland"], "1: the column is mpp missing|column.*mpp"),
        ("image;mask;prompt;mpp", ["a.png;m.png;gland;1"], "separate the cells by commas"),
        ("image,mask,prompt,mpp,mpp", ["a.png,m.png,gland,1,1"], "mpp repeated"),
        ("image,mask,prompt,mpp", ["a.png,m.png,gland"], "2: has 3 cells, and the header 4"),
        ("image,mask,prompt,mpp", [], "no rows"),
    ],
)
def test_broken_tables_are_refused(
    tmp_path: Path, header: str, lines: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        read_rows(write(tmp_path, *lines, header=header))


def test_no_table_and_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such table"):
        read_rows(tmp_path)
    path = tmp_path / "dataset.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_rows(tmp_path)


def test_many_faults_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, *[f"x{i}.png,,gland,1" for i in range(70)])
    with pytest.raises(ConfigError, match="and 20 more faults"):
        read_rows(path)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a, b.png").write_bytes(b"")
    row = Row(
        image=tmp_path / "images" / "a, b.png",
        mask=tmp_path / "images" / "a, b.png",
        prompt="cell-level plasma cell in multiple pathology",
        category="plasma cell",
        structure="cell",
        region="multiple",
        kind="region",
        ignore=65535,
        mpp=0.220818,
        split="validation",
        patient="p 1",
        source="segpath",
        licence="CC BY-NC-SA 4.0",
        line=2,
    )
    path = write_rows(tmp_path / "dataset.csv", [row])
    with path.open(newline="") as file:
        assert tuple(next(csv.reader(file))) == COLUMNS
    assert read_rows(tmp_path) == (row,)
    with pytest.raises(ConfigError, match="outside"):
        write_rows(
            tmp_path / "images" / "dataset.csv",
            [row, *read_rows(tmp_path)][:0] or [Row(**{**vars(row), "image": tmp_path / "c.png"})],
        )
