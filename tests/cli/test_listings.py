"""`check`, `features` and `vocabulary`: what they print."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pathexplain.cli import main

if TYPE_CHECKING:
    import pytest

CORPUS = Path(__file__).parents[1] / "prompts_corpus"


def test_check_shows_what_a_good_file_says(
    prompts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(prompts)]) == 0
    shown = capsys.readouterr()
    assert re.search(r"nucleus +instances +0\.5 +10 +nuclei-level nucleus in multiple", shown.out)
    assert "mpp 0.5" in shown.out
    assert shown.err == ""


def test_check_reports_every_fault_and_says_so_in_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = CORPUS / "words.yaml"
    assert main(["check", str(path)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count(f"{path}:") == 8
    assert "3 faults" in shown.err
    assert shown.err.count("warning: ") == 5
    assert main(["check", str(path), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert [fault["line"] for fault in found["faults"]] == [5, 7, 8]
    assert (found["ok"], found["prompts"], len(found["warnings"])) == (False, None, 5)


def test_check_json_of_a_good_file(prompts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(prompts), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is True
    assert found["prompts"]["prompts"][0]["object"] == "nucleus"


def test_check_prints_the_schema_in_docs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--schema"]) == 0
    written = (CORPUS.parents[1] / "docs" / "prompts.schema.json").read_text(encoding="utf-8")
    assert capsys.readouterr().out == written


def test_features_are_listed_with_unit_and_definition(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "unit", "definition", "source"]
    assert any(line.startswith("shape.area_um2 ") for line in lines)
    assert main(["features", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == len(lines) - 1
    assert all(row["unit"] and row["definition"] for row in rows)
    assert main(["features", "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("# Features")


def test_vocabulary_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vocabulary"]) == 0
    assert re.search(
        r"^glomerulus +tissue +instances +renal", capsys.readouterr().out, re.MULTILINE
    )
    assert main(["vocabulary", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["regions"]["colon"][0] == "colorectal"
    assert found["objects"][0]["name"] == "nucleus"
