"""Images of parquet files: a column of encoded bytes, or of the image feature of `datasets`, and perhaps labels.

Each file is hashed as it is opened first, and again where it has changed by the time its rows are read, so that a file
put in its place meanwhile is refused.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from mmcr_core.data.custom_images import OwnFiles
from mmcr_core.data.decoding import reason
from mmcr_core.data.image_set import ContentChanged, DatasetError, Entry, Images
from mmcr_core.data.image_text.captions import NoCaption, captions_of
from mmcr_core.data.parquet.files import incomplete, located, of_no_split
from mmcr_core.data.parquet.labels import Column, Labels, joined, read_column
from mmcr_core.data.parquet.table_file import Columns, checked, file_digest, opened, stamp, verify
from mmcr_core.data.survey import NAMED, Contents, Some, Survey

NO_BYTES = "without bytes: only an image's own bytes are read, never a path"


class _Known(NamedTuple):
    """What was seen of a file when it was opened first."""

    stamp: tuple[int, ...]
    digest: str
    labels: Column


class ParquetImages(OwnFiles):
    """The files that `spec.path` names, of its split."""

    captioned = False

    @property
    def columns(self) -> Columns:
        """Which columns hold what."""
        return Columns.of(self.spec, self.captioned)

    @property
    def reading(self) -> str:
        beside = of_no_split(self.path, self.spec.split)
        return f"{super().reading} {self.spec.split} {tuple(self.columns)} {beside}"

    def located(self) -> list[Path]:
        return located(self.path, self.spec.split)

    @property
    def where(self) -> str:
        """What they are called in messages."""
        files = self.located()
        return f"file {self.path}" if len(files) == 1 else f"{len(files)} files {self.path}"

    def surveyed(self) -> Contents:
        survey = Survey(self.spec.max_pixels)
        for entry in self.entries_of(None):
            if isinstance(entry.encoded, NoCaption):
                survey.leave_out(entry.name, f"without a usable caption: {entry.encoded}")
            elif entry.encoded:
                survey.image(entry.name, entry.encoded)
            else:
                survey.leave_out(entry.name, NO_BYTES)
        found = survey.contents(self.digest(), self.total(), self.where, "rows")
        if others := of_no_split(self.path, self.spec.split):
            some = f"{len(others)} files {Some(len(others), tuple(others[:NAMED]))}"
            remark = f"{self.where}: {some} beside them are of no split by their names, and not read"
            found = found._replace(remarks=(*found.remarks, remark))
        if parts := incomplete(self.path, self.spec.split):
            remark = f"{self.where}: only {'; '.join(parts)} are there; the others are missing"
            found = found._replace(remarks=(*found.remarks, remark))
        return found

    def digest(self) -> str:
        """SHA-256 of the one file's bytes, or of the digests of several in their order."""
        found = []
        for file in self.located():
            with opened(file) as stream:
                found.append(file_digest(stream))
        return _of_all(found)

    def total(self) -> int:
        rows = 0
        for file in self.located():
            with opened(file) as stream:
                rows += int(checked(stream, self.columns).metadata.num_rows)
        return rows

    def labels(self) -> Labels:
        """The labels of all rows; reads that column only. Raises DatasetError where one is not of use."""
        return joined([self._known(file, None).labels for file in self.located()])

    def load(self) -> Images:
        return replace(super().load(), classes=self.labels().classes)

    def entries(self) -> Iterator[Entry]:
        return self.entries_of(self.spec.digest)

    def require_present(self) -> None:
        super().require_present()
        self.labels()

    def entries_of(self, expected: str | None) -> Iterator[Entry]:
        """The rows, with their captions where asked for; one without any is not readable.

        Raises: ContentChanged where the files do not have the digest `expected`; DatasetError where they are of no use.
        """
        files = self.located()
        known = [self._known(file, expected) for file in files]
        if expected is not None and (found := _of_all([one.digest for one in known])) != expected:
            raise ContentChanged(f"file {files[0]}" if len(files) == 1 else self.where, found, expected)
        labels = joined([one.labels for one in known])
        for file, before, numbers in zip(files, known, labels.numbers, strict=True):
            name = functools.partial("row {}".format) if len(files) == 1 else f"{file.name} row {{}}".format
            with opened(file) as stream:
                at_first = stamp(stream)
                if expected is not None and at_first != before.stamp:
                    verify(stream, before.digest)
                for row, (encoded, captions) in enumerate(self._rows(stream)):
                    yield Entry(name(row), encoded, int(numbers[row]), captions)
                if expected is not None and stamp(stream) != at_first:
                    verify(stream, before.digest)

    def _known(self, file: Path, expected: str | None) -> _Known:
        with opened(file) as stream:
            seen = stamp(stream)
            digest = "" if expected is None else file_digest(stream)
            return _Known(seen, digest, read_column(checked(stream, self.columns), stream.name, self.columns.label))

    def _rows(self, stream: Any) -> Iterator[tuple[bytes | Exception, tuple[str, ...]]]:
        """Encoded images and captions of a file's rows."""
        import pyarrow as pa

        image, _, caption, _ = self.columns
        names = [image] if caption is None else [image, caption]
        batches, row = checked(stream, self.columns).iter_batches(1024, columns=names), 0
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise DatasetError(
                    f"file {stream.name} is damaged from row {row} on ({reason(error)}); write it anew"
                ) from error
            if batch is None:
                return
            row += len(batch)
            said = [None] * len(batch) if caption is None else batch.column(caption).to_pylist()
            for value, texts in zip(batch.column(image).to_pylist(), said, strict=True):
                encoded = (value["bytes"] if isinstance(value, dict) else value) or b""
                try:
                    yield encoded, () if caption is None else captions_of(texts)
                except NoCaption as error:
                    yield error, ()


def _of_all(digests: list[str]) -> str:
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
