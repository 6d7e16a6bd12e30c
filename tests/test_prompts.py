"""Prompts: a corpus of broken files with the lines that must be reported, and the grammar."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pathexplain.errors import ConfigError
from pathexplain.prompts import (
    FAMILY_NAMES,
    Fault,
    Prompt,
    PromptSet,
    as_prompts,
    check_prompts,
    json_schema,
    read_prompts,
)
from pathexplain.prompts.model import is_reserved
from pathexplain.prompts.positions import parse_yaml
from pathexplain.vocabulary import OBJECTS, REGIONS

HERE = Path(__file__).parent
CORPUS = sorted((HERE / "prompts_corpus").glob("*.yaml"))
MARKER = re.compile(r"# (fault|warning): (.*)$")

GOOD = """\
version: 1
mpp: 0.5  # everything is measured at this resolution
prompts:
  - {name: tumor,      structure: tissue, object: tumor,      region: breast}
  - {name: lymphocyte, structure: nuclei, object: lymphocyte, region: breast, min_area_um2: 10}
  - {name: gland, text: "malignant glands of the colon", kind: region, threshold: 0.4}
  - text: glomeruli
features: [shape, stain]
relations: [[lymphocyte, tumor]]
slides: ["slides/*.png", "more/**/*.tif"]
out: run
segmentor: stain
"""


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "prompts.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def expected(path: Path, kind: str) -> list[tuple[int, str]]:
    """Line and words of every marker of one kind."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = MARKER.search(line)
        if match and match[1] == kind:
            found += [(number, words.strip()) for words in match[2].split(" | ")]
    return found


def assert_matches(found: tuple[Fault, ...], wanted: list[tuple[int, str]]) -> None:
    assert [fault.line for fault in found] == [line for line, _ in wanted], list(map(str, found))
    for line, words in wanted:
        assert any(fault.line == line and words in fault.message for fault in found), (line, words)


# ── broken files ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_every_fault_of_a_broken_file_is_reported_at_its_line(path: Path) -> None:
    check = check_prompts(path)
    assert check.faults
    assert check.prompt_set is None
    assert_matches(check.faults, expected(path, "fault"))
    assert_matches(check.warnings, expected(path, "warning"))


def test_read_prompts_raises_all_faults_at_once_as_file_and_line() -> None:
    path = HERE / "prompts_corpus" / "keys.yaml"
    with pytest.raises(ConfigError, match="did you mean 'prompts'") as caught:
        read_prompts(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(expected(path, "fault"))
    assert all(re.match(re.escape(str(path)) + r":\d+: ", line) for line in lines)
    assert (caught.value.path, caught.value.line, caught.value.exit_code) == (str(path), 3, 2)


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n...\n"])
def test_an_empty_file_is_a_fault(tmp_path: Path, text: str) -> None:
    (fault,) = check_prompts(write(tmp_path, text)).faults
    assert fault.line == 1
    assert "the file is empty" in fault.message


def test_a_file_that_is_not_utf8_names_byte_and_line(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.encode() + "# größe\n".encode("latin-1"))
    (fault,) = check_prompts(path).faults
    assert (fault.line, "0xf6" in fault.message) == (GOOD.count("\n") + 1, True)


def test_a_control_character_is_a_fault(tmp_path: Path) -> None:
    (fault,) = check_prompts(write(tmp_path, "version: 1\nout: a\x07b\n")).faults
    assert (fault.line, "#x0007" in fault.message) == (2, True)


def test_a_file_that_does_not_exist_or_is_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.yaml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read") as caught:
            read_prompts(path)
        assert caught.value.path == str(path)


def test_a_huge_or_endlessly_nested_file_is_refused(tmp_path: Path) -> None:
    (fault,) = check_prompts(write(tmp_path, b"#" * 1_000_001)).faults
    assert "no prompts file" in fault.message
    (fault,) = check_prompts(write(tmp_path, "[" * 5000)).faults
    assert "deep" in fault.message


def test_python_tags_construct_nothing(tmp_path: Path) -> None:
    target = tmp_path / "made"
    text = f"version: 1\nmpp: 0.5\nprompts: !!python/object/apply:os.mkdir ['{target}']\n"
    (fault,) = check_prompts(write(tmp_path, text)).faults
    assert fault.line == 3
    assert not target.exists()


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_no_text_escapes_as_anything_but_a_value_or_a_fault(text: str) -> None:
    parsed = parse_yaml(text)
    assert parsed.faults or parsed.value is not None


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_good_file_with_one_line_lost_never_crashes(data: st.DataObject) -> None:
    lines = GOOD.splitlines()
    lost = data.draw(st.integers(0, len(lines) - 1))
    parsed = parse_yaml("\n".join(lines[:lost] + lines[lost + 1 :]))
    assert parsed.faults or isinstance(parsed.value, dict)


# ── good files ───────────────────────────────────────────────────────────────────────────────────
def test_a_good_file_says_what_it_says(tmp_path: Path) -> None:
    prompts = read_prompts(write(tmp_path, GOOD))
    assert prompts.names == ("tumor", "lymphocyte", "gland", "glomerulus")
    tumor, lymphocyte, gland, glomerulus = prompts.prompts
    assert tumor.text == "tissue-level tumor in breast pathology"
    assert (tumor.kind, lymphocyte.kind, glomerulus.kind) == ("region", "instances", "instances")
    assert (lymphocyte.min_area_um2, gland.threshold) == (10.0, 0.4)
    assert gland == Prompt(
        "gland",
        "malignant glands of the colon",
        structure="tissue",
        object="malignant gland",
        region="colon",
        threshold=0.4,
    )
    assert gland.canonical == "tissue-level malignant gland in colon pathology"
    assert prompts.relations == (("lymphocyte", "tumor"),)
    assert prompts.out == tmp_path.resolve() / "run"
    assert (prompts.segmentor, prompts.mpp, prompts.version) == ("stain", 0.5, 1)
    assert prompts.path == tmp_path / "prompts.yaml"


def test_defaults_and_a_byte_order_mark(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbfversion: 1\nmpp: 1\nprompts: [{text: lymphocyte nuclei}]\n"
    prompts = read_prompts(write(tmp_path, text))
    assert prompts.features == FAMILY_NAMES
    assert (prompts.slides, prompts.out, prompts.segmentor) == ((), None, None)
    assert isinstance(prompts.mpp, float)
    assert prompts.warnings == ()


def test_warnings_do_not_stop_and_name_the_line(tmp_path: Path) -> None:
    path = write(tmp_path, "version: 1\nmpp: 0.5\nprompts:\n  - {text: lymphocites}\n")
    prompts = read_prompts(path)
    assert prompts.warnings[0].startswith(f"{path}:4: ")
    assert prompts.prompts[0].object is None
    assert prompts.prompts[0].kind == "region"


def test_slides_are_globs_relative_to_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in" / "slides").mkdir(parents=True)
    (tmp_path / "in" / "more" / "deep").mkdir(parents=True)
    for name in ("slides/b.png", "slides/a.png", "slides/a.txt", "more/deep/c.tif"):
        (tmp_path / "in" / name).touch()
    monkeypatch.chdir(tmp_path)
    prompts = read_prompts(write(tmp_path / "in", GOOD))
    assert [path.name for path in prompts.slide_paths()] == ["a.png", "b.png", "c.tif"]
    (tmp_path / "in" / "more" / "deep" / "c.tif").unlink()
    with pytest.raises(ConfigError, match=r"no file matches 'more/\*\*/\*.tif'"):
        prompts.slide_paths()


def test_a_segmentor_folder_is_relative_to_the_file(tmp_path: Path) -> None:
    text = GOOD.replace("segmentor: stain", "segmentor: ../model")
    assert read_prompts(write(tmp_path, text)).segmentor == str(tmp_path.resolve().parent / "model")


# ── Prompt and PromptSet from Python ─────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("region", [None, "colon", "lymph node"])
def test_text_and_parts_of_every_known_object_agree(name: str, region: str | None) -> None:
    term = OBJECTS[name]
    parts = Prompt.from_parts(term.structure, name, region)
    text = Prompt.from_text(parts.text)
    assert (parts.object, parts.structure, parts.kind) == (name, term.structure, term.kind)
    assert (text.object, text.structure, text.kind) == (name, term.structure, term.kind)
    assert text.region == (region or "multiple")
    assert parts.name == name.replace(" ", "_")


@pytest.mark.parametrize("region", REGIONS)
def test_every_region_and_its_synonyms_are_found(region: str) -> None:
    for word in (region, region.title(), *REGIONS[region]):
        assert Prompt.from_parts("tissue", "gland", word).region == region


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "Gland"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "a\n"}, "name"),
        ({"name": "a" * 65}, "name"),
        ({"name": "thumbnail"}, "taken by slide stores"),
        ({"name": "gland_labels"}, "taken by slide stores"),
        ({"text": " "}, "text"),
        ({"text": None}, "text"),
        ({"kind": "instance"}, "kind"),
        ({"structure": "organ"}, "structure"),
        ({"threshold": 0}, "threshold"),
        ({"threshold": 1.0}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"threshold": True}, "threshold"),
        ({"min_area_um2": -1}, "min_area_um2"),
        ({"min_area_um2": float("inf")}, "min_area_um2"),
        ({"paraphrases": "crypts"}, "paraphrases"),
        ({"paraphrases": ("",)}, "paraphrases"),
    ],
)
def test_python_callers_are_held_to_the_same_rules(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Prompt(**({"name": "gland", "text": "gland"} | changes))


@settings(deadline=None)
@given(st.text(min_size=1).filter(str.strip))
def test_any_text_makes_a_prompt_with_a_valid_name(text: str) -> None:
    prompt = Prompt.from_text(text)
    assert prompt.text == text
    assert re.fullmatch("[a-z][a-z0-9_]{0,63}", prompt.name)


@pytest.mark.parametrize("text", ["slide", "thumbnail", "food labels x", "Foo_labels"])
def test_derived_names_leave_those_of_slide_stores_free(text: str) -> None:
    assert not is_reserved(Prompt.from_text(text).name)


def test_from_text_refuses_what_is_no_text() -> None:
    for value in ("", "  ", 3, None):
        with pytest.raises(ConfigError, match="text or a Prompt"):
            Prompt.from_text(value)


def test_from_parts_refuses_an_unknown_region_or_structure() -> None:
    with pytest.raises(ConfigError, match="unknown region 'foot'; known: multiple"):
        Prompt.from_parts("tissue", "gland", "foot")
    with pytest.raises(ConfigError, match="structure must be one of"):
        Prompt.from_parts("organ", "gland")


def test_as_prompts_takes_one_or_several_and_keeps_given_names() -> None:
    given_prompt = Prompt("gland", "glands")
    assert as_prompts(given_prompt) == (given_prompt,)
    assert as_prompts("gland")[0].name == "gland"
    names = [p.name for p in as_prompts(["gland", given_prompt, "glands in breast"])]
    assert names == ["gland_2", "gland", "gland_3"]
    with pytest.raises(ConfigError, match="no prompt given"):
        as_prompts([])
    with pytest.raises(ConfigError, match="two prompts are named 'gland'"):
        as_prompts([given_prompt, given_prompt])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": 2}, "version must be 1"),
        ({"mpp": 0.0}, "mpp must lie"),
        ({"mpp": float("nan")}, "mpp must lie"),
        ({"prompts": ()}, "at least one prompt"),
        ({"prompts": (Prompt("a", "a"), Prompt("a", "b"))}, "two prompts are named 'a'"),
        ({"features": ("shape", "shape")}, "given twice"),
        ({"features": ("magic",)}, "no feature family 'magic'; available: shape, stain"),
        ({"relations": (("a", "z"),)}, "'z', which is no prompt; prompts: a"),
    ],
)
def test_a_prompt_set_checks_itself(changes: dict[str, object], words: str) -> None:
    values: dict[str, object] = {"version": 1, "mpp": 0.5, "prompts": (Prompt("a", "a"),)}
    with pytest.raises(ConfigError, match=re.escape(words)):
        PromptSet(**(values | changes))


def test_both_are_frozen() -> None:
    prompt = Prompt("a", "a")
    with pytest.raises(FrozenInstanceError):
        prompt.name = "b"
    with pytest.raises(FrozenInstanceError):
        PromptSet(1, 0.5, (prompt,)).mpp = 1.0


# ── schema ───────────────────────────────────────────────────────────────────────────────────────
def test_the_schema_in_docs_is_the_models() -> None:
    written = json.loads((HERE.parent / "docs" / "prompts.schema.json").read_text("utf-8"))
    assert written == json_schema(), "run: pathexplain check --schema > docs/prompts.schema.json"


def test_every_key_of_the_schema_is_described_and_none_has_an_empty_default() -> None:
    schema = json_schema()
    for model in (schema, *schema["$defs"].values()):
        assert model["additionalProperties"] is False
        for key, entry in model["properties"].items():
            assert entry.get("description"), key
            assert entry.get("default") != "", key


def test_yaml_written_from_the_corpus_is_what_pyyaml_reads() -> None:
    parsed = parse_yaml(GOOD)
    assert parsed.value == yaml.safe_load(GOOD)
    assert parsed.line_of(("prompts", 1, "min_area_um2")) == 5


def test_importing_prompts_loads_nothing_heavy() -> None:
    code = (
        "import sys, pathexplain.prompts;"
        "print([m for m in ('torch', 'pandas', 'numpy', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "options", "least"),
    [
        ("lymphocytes", {}, 8.0),
        ("gland in colon", {}, 200.0),
        ("gland in colon", {"kind": "region"}, 0.0),
        ("tumor", {}, 0.0),
        ("lymphocytes", {"min_area_um2": 0.0}, 0.0),
        ("bicycle", {"kind": "instances"}, 0.0),
    ],
)
def test_specks_are_left_out_of_counted_objects_unless_told(
    text: str, options: dict[str, Any], least: float
) -> None:
    assert Prompt.from_text(text, **options).min_area_um2 == least
