"""A page whose middle a command writes: all else stays, and a page without a place for it is refused."""

import pytest

from sweeps.cli.errors import UserError
from sweeps.cli.generated_markdown import between_markers, read_marked, write_marked

PAGE = "# A\n<begin>\nold\n<end>\nb\n"


def test_all_but_the_middle_stays_and_writing_twice_is_writing_once(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    text = read_marked(page, "<begin>", "<end>")
    written = between_markers(text, "<begin>", "<end>", "new")
    assert written == "# A\n<begin>\n\nnew\n\n<end>\nb\n"
    assert between_markers(written, "<begin>", "<end>", "new") == written


def test_a_link_stays_a_link_and_line_ends_stay_as_they_are(tmp_path):
    page, link = tmp_path / "page.md", tmp_path / "link.md"
    page.write_bytes(b"# A\r\n<begin>\r\n<end>\r\n")
    link.symlink_to(page)
    write_marked(link, between_markers(read_marked(link, "<begin>", "<end>"), "<begin>", "<end>", "new"))
    assert link.is_symlink() and page.read_bytes() == b"# A\r\n<begin>\n\nnew\n\n<end>\r\n"
    with pytest.raises(UserError, match="cannot be written"):
        write_marked(tmp_path / "no folder/page.md", "text")


@pytest.mark.parametrize("text", ["# A\n", "<end>\n<begin>\n", "<begin>\n", PAGE + PAGE])
def test_a_page_without_just_one_place_is_refused(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(UserError, match=r"page\.md has no place for it: give a page with the lines '<begin>'"):
        read_marked(page, "<begin>", "<end>")


def test_a_page_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "latin.md").write_bytes(b"\xe9")
    for name in ("none.md", "latin.md", "."):
        with pytest.raises(UserError, match="cannot be read"):
            read_marked(tmp_path / name, "<begin>", "<end>")
