"""`make_shards`: images and a caption table to shards that this project and webdataset read."""

import io
import json
import subprocess
import tarfile
import unicodedata

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset
from typer.testing import CliRunner

from mmcr_core.data.shards.caption_table import captioned
from mmcr_core.data.shards.loader import heldout
from sweeps.make_shards import app
from tests.mmcr_core.data.shards.shard_data import gray, opened

ROWS = [("a.png", "first"), ("b/c.jpg", "second, with a comma"), ("a.png", "first again"), ("d.webp", "größe")]


def make(*arguments):
    ran = CliRunner().invoke(app, list(map(str, arguments)))
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return ran


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    (folder / "b").mkdir(parents=True)
    for name, kind in (("a.png", "PNG"), ("b/c.jpg", "JPEG"), ("d.webp", "WEBP")):
        (folder / name).write_bytes(gray(len(name) * 20, (9, 9), kind))
    return folder


def table(tmp_path, kind, rows=ROWS, columns=("image", "caption")):
    file = tmp_path / f"table.{kind}"
    as_dicts = [dict(zip(columns, row, strict=True)) for row in rows]
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(as_dicts), file)
    elif kind == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in as_dicts))
    else:
        lines = [",".join(f'"{value}"' for value in row) for row in (columns, *rows)]
        file.write_text("\n".join(lines), encoding="utf-8-sig")
    return file


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_what_is_written_is_read_with_all_captions(kind, images, tmp_path):
    ran = make(images, table(tmp_path, kind), "-o", tmp_path / "out", "--samples-per-shard", 2)
    assert (ran.exit_code, ran.stdout) == (0, f"3 samples in 2 shards in {tmp_path / 'out'}, 0 left out\n")
    shards = opened(tmp_path / "out", heldout=0.999)
    assert [shard.samples for shard in shards.shards] == [2, 1]
    assert heldout(shards, 9)[1] == [("second, with a comma",), ("größe",)]
    told = opened(tmp_path / "out" / "00000.tar", heldout=0.5)
    assert (told.train, told.heldout, told.remarks) == (1, 1, ())
    (first, *_) = webdataset.WebDataset(str(tmp_path / "out" / "00000.tar"), shardshuffle=False)
    assert json.loads(first["json"])["caption"] == ["first", "first again"]
    assert first["png"] == (images / "a.png").read_bytes()


def test_the_same_input_gives_the_same_bytes(images, tmp_path):
    for name in ("one", "two"):
        make(
            images,
            table(tmp_path, "csv", ROWS if name == "one" else ROWS[2:0:-1] + ROWS[:1] + ROWS[3:]),
            "-o",
            tmp_path / name,
        )
    one, two = (sorted((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert [file.name for file in one] == [file.name for file in two] == ["00000.tar"]
    assert len(one[0].read_bytes()) == len(two[0].read_bytes())
    make(images, table(tmp_path, "csv"), "-o", tmp_path / "three")
    assert (tmp_path / "three" / "00000.tar").read_bytes() == one[0].read_bytes()


def test_rows_that_cannot_be_used_are_named_and_the_rest_is_written(images, tmp_path):
    (images / "bad.png").write_bytes(b"no picture")
    rows = [*ROWS, ("gone.png", "x"), ("bad.png", "x"), ("a.png", " "), ("", "x"), ("notes.txt", "x")]
    ran = make(images, table(tmp_path, "csv", rows), "-o", tmp_path / "out")
    assert ran.exit_code == 1
    assert ran.stdout.endswith("5 left out\n")
    assert ran.stderr.splitlines() == [
        "line 8: a.png: its caption is empty",
        "line 9: it names no image",
        "bad.png: cannot identify image file",
        "gone.png: there is no such file",
        "notes.txt: it is not a .jpg, .jpeg, .jfif, .png, .webp, .bmp, .tif, .tiff, .gif file",
        f"{tmp_path / 'table.csv'}: 4 of 9 lines are used; left out: 1 since its caption is empty (line 8); "
        "1 since it names no image (line 9); 1 since cannot identify image file (line 7); 1 since there is no "
        "such file (line 6); 1 for other reasons (line 10)",
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("{images}/a.png", "{table}", "-o", "{out}"), "is not a folder"),
        (("{images}", "{table}", "-o", "{images}"), "is no empty folder"),
        (
            ("{images}", "{table}", "-o", "{out}", "--image-column", "file"),
            "no column 'file'; its columns are image, cap",
        ),
        (("{images}", "{table}", "-o", "{out}", "--caption-column", "text"), "name one with --caption-column"),
        (("{images}", "{images}/a.png", "-o", "{out}"), "is of no known kind; give a .csv"),
        (("{images}", "{images}/absent.csv", "-o", "{out}"), "absent.csv cannot be read (No such file or directory)"),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_is_written(arguments, says, images, tmp_path):
    places = {"images": images, "table": table(tmp_path, "csv"), "out": tmp_path / "out"}
    ran = make(*(argument.format(**places) for argument in arguments))
    assert ran.exit_code == 2
    assert says in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_of_two_columns_of_one_name_neither_is_taken(images, tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("image,caption,caption\na.png,one,another\n")
    ran = make(images, file, "-o", tmp_path / "out")
    assert (ran.exit_code, ran.stderr) == (2, f"{file} has two columns 'caption'; rename one of them\n")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_damaged_table_is_one_sentence(kind, images, tmp_path):
    file = tmp_path / f"table.{kind}"
    file.write_bytes(b"\xff\xfe\x00nonsense")
    ran = make(images, file, "-o", tmp_path / "out")
    assert ran.exit_code == 2
    assert ran.stderr.count("\n") == 1
    assert str(file) in ran.stderr


def test_no_usable_image_at_all_is_a_mistake_and_nothing_is_written(images, tmp_path):
    ran = make(images, table(tmp_path, "csv", [("gone.png", "x")]), "-o", tmp_path / "out")
    assert ran.exit_code == 2
    assert "so nothing is written" in ran.stderr
    assert not (tmp_path / "out").exists()


def test_plain_tar_lists_what_is_written(images, tmp_path):
    make(images, table(tmp_path, "csv"), "-o", tmp_path / "out")
    listed = subprocess.run(["tar", "tf", tmp_path / "out" / "00000.tar"], capture_output=True, text=True, check=True)
    names = io.StringIO(listed.stdout).read().split()
    assert names == [
        "000000000.png", "000000000.json",
        "000000001.jpg", "000000001.json", "000000001.txt",
        "000000002.webp", "000000002.json", "000000002.txt",
    ]  # fmt: skip


def test_a_caption_that_an_unquoted_comma_would_cut_is_named_and_left_out(images, tmp_path):
    (tmp_path / "t.csv").write_text('image,caption\na.png,"two cats, one dog"\nd.webp,two cats, one dog\n')
    made = make(images, tmp_path / "t.csv", "-o", tmp_path / "out")
    assert made.exit_code == 1
    why = "line 3: d.webp,two cats, one dog: it has 3 fields, and the header 2; put captions with separators in quotes"
    assert made.stderr.startswith(why)
    with tarfile.open(tmp_path / "out/00000.tar") as tar:
        assert [tar.extractfile(name).read() for name in tar.getnames() if name.endswith("txt")] == [
            b"two cats, one dog"
        ]


def test_images_outside_the_folder_are_named_and_left_out(images, tmp_path):
    (tmp_path / "b.png").write_bytes(gray(100))
    (tmp_path / "t.csv").write_text("image,caption\na.png,inside\n../b.png,outside\n")
    made = make(images, tmp_path / "t.csv", "-o", tmp_path / "out")
    assert made.exit_code == 1
    assert "its name is not relative to the folder of images" in " ".join(made.output.split())


def made_captions(folder):
    with tarfile.open(folder / "00000.tar") as tar:
        described = [json.load(tar.extractfile(name)) for name in tar.getnames() if name.endswith("json")]
    return {one["file"]: one["caption"] for one in described}


@pytest.mark.parametrize(
    "line",
    ['b/c.jpg,"a 5 inch ruler', 'b/c.jpg,"a 5" ruler', 'b/c.jpg,"a 5 inch ruler\na.png,"again"'],
    ids=["never closed", "text behind", "closed in a later row"],
)
def test_a_quote_left_open_costs_its_own_row_alone(line, images, tmp_path):
    (tmp_path / "t.csv").write_text(f'image,caption\n{line}\nd.webp,"a bird, flying"\na.png,a fish\n')
    made = make(images, tmp_path / "t.csv", "-o", tmp_path / "out")
    assert made.exit_code == 1
    assert made.stderr.startswith("line 2: b/c.jpg,") and "a quote is left open" in made.stderr
    captions = made_captions(tmp_path / "out")
    assert captions["d.webp"] == "a bird, flying" and "a fish" in captions["a.png"]


def test_a_caption_of_several_lines_that_look_like_rows_is_named(images, tmp_path):
    (tmp_path / "t.csv").write_bytes(b'image,caption\r\na.png,"5 inch\r\nd.webp,a dog"\r\nb/c.jpg,"two\r\nlines"\r\n')
    made = make(images, tmp_path / "t.csv", "-o", tmp_path / "out")
    assert made.exit_code == 1 and "line 2: a.png" in made.stderr
    assert made_captions(tmp_path / "out") == {"b/c.jpg": "two\r\nlines", "d.webp": 'a dog"'}


TWICE = '{"caption":"a","caption":"b"}'


def test_json_lines_may_begin_with_a_mark_and_have_lists_and_a_number_is_named(images, tmp_path):
    rows = [{"image": "a.png", "caption": ["one", "two"]}, {"image": "d.webp", "caption": 3}]
    text = "".join(json.dumps(row) + "\r\n" for row in rows) + "nonsense\r\n" + TWICE + "\r\n"
    (tmp_path / "t.jsonl").write_bytes(text.encode("utf-8-sig"))
    made = make(images, tmp_path / "t.jsonl", "-o", tmp_path / "out")
    assert made.exit_code == 1
    assert made.stderr.splitlines() == [
        "line 2: d.webp: its caption is a number, not text",
        "line 3: nonsense: it is not a JSON object",
        f'line 4: {TWICE}: it has "caption" twice; leave one',
        f"{tmp_path / 't.jsonl'}: 1 of 4 lines are used; left out: 1 since its caption is a number, not text "
        '(line 2); 1 since it is not a JSON object (line 3); 1 since it has "caption" twice; leave one (line 4)',
    ]
    assert made_captions(tmp_path / "out") == {"a.png": ["one", "two"]}


@pytest.mark.parametrize(("in_table", "on_disk"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_are_found_however_their_accents_are_written(in_table, on_disk, images, tmp_path):
    names = [unicodedata.normalize(form, "caf\u00e9.png") for form in (in_table, on_disk)]
    (images / names[1]).write_bytes(gray(9))
    (tmp_path / "t.csv").write_text(f"image,caption\n{names[0]},a cup\n", encoding="utf-8")
    assert make(images, tmp_path / "t.csv", "-o", tmp_path / "out").exit_code == 0


def test_every_line_of_a_table_is_used_or_left_out_also_those_within_a_caption(images, tmp_path):
    text = 'image,caption\n\na.png,"two\n\nlines"\na.png,again\n\ngone.png,"of\nno image"\n,no name\nd.webp,\n'
    (tmp_path / "t.csv").write_text(text)
    account = captioned(tmp_path / "t.csv", "image", "caption").account({"gone.png": "it is gone"})
    assert (account.seen, account.used) == (8, 4)
    assert {why: (some.number, some.examples) for why, some in account.left_out.items()} == {
        "since it names no image": (1, ("line 10",)),
        "since its caption is empty": (1, ("line 11",)),
        "since it is gone": (2, ("line 8",)),
    }


def test_rows_of_parquet_are_counted_by_its_footer(images, tmp_path):
    pq.write_table(pa.table({"image": ["a.png", None, "d.webp"], "caption": ["x", "y", None]}), tmp_path / "t.parquet")
    made = make(images, tmp_path / "t.parquet", "-o", tmp_path / "out")
    assert made.stdout.endswith(f"1 sample in 1 shard in {tmp_path / 'out'}, 2 left out\n")
    assert "t.parquet: 1 of 3 rows are used; left out: 1 since it names no image (row 2); 1 since" in made.stderr


@pytest.mark.parametrize(("suffix", "mark"), [("csv", ";"), ("csv", "\t"), ("tsv", "\t")])
def test_fields_may_be_separated_as_spreadsheets_of_other_countries_do(suffix, mark, images, tmp_path):
    rows = [("number", "image", "caption"), ("1", "a.png", "a fish, a bird"), ("2", "d.webp", f'"two{mark} of\nthem"')]
    (tmp_path / f"t.{suffix}").write_text("".join(mark.join(row) + "\n" for row in rows))
    assert make(images, tmp_path / f"t.{suffix}", "-o", tmp_path / "out").exit_code == 0
    assert made_captions(tmp_path / "out") == {"a.png": "a fish, a bird", "d.webp": f"two{mark} of\nthem"}


def test_a_table_that_is_not_utf8_is_one_sentence(images, tmp_path):
    (tmp_path / "t.csv").write_bytes("image,caption\na.png,größe\n".encode("utf-16"))
    made = make(images, tmp_path / "t.csv", "-o", tmp_path / "out")
    assert (made.exit_code, made.stderr) == (2, f"{tmp_path / 't.csv'} is not UTF-8 text; save it as UTF-8\n")


def test_names_of_one_file_are_one_sample(images, tmp_path):
    rows = [("a.png", "first"), ("./a.png", "again"), ("b//c.jpg", "second")]
    ran = make(images, table(tmp_path, "csv", rows), "-o", tmp_path / "out")
    assert ran.stdout == f"2 samples in 1 shard in {tmp_path / 'out'}, 0 left out\n"
    assert captioned(table(tmp_path, "csv", rows), "image", "caption").captions["a.png"] == ["first", "again"]


def test_a_caption_longer_than_a_field_may_be_is_called_so(images, tmp_path):
    found = captioned(table(tmp_path, "csv", [("a.png", "x" * 140_000), ("b/c.jpg", "second")]), "image", "caption")
    assert list(found.captions) == ["b/c.jpg"]
    assert [left.why for left in found.left_out] == ["it has more than 131,072 characters, which are no caption"]


def test_a_folder_that_could_not_be_filled_is_not_there_and_the_same_command_goes(images, tmp_path, monkeypatch):
    arguments = (images, table(tmp_path, "csv"), "-o", tmp_path / "out", "--samples-per-shard", 1)
    calls = iter(range(3))

    def killed(*_, **__):
        if next(calls) == 1:
            raise KeyboardInterrupt
        return []

    with monkeypatch.context() as context:
        context.setattr("mmcr_core.data.shards.writer.decoded", killed)
        assert make(*arguments).exit_code == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "table.csv"]
    assert make(*arguments).exit_code == 0
