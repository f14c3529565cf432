"""The archive of a sysdump: files are added as they come, and it takes its place only when it is whole."""

import os
import threading
import zipfile
from pathlib import Path
from types import TracebackType
from typing import Self

from lab_helpers.tools.cilium.errors import CiliumError


class Archive:
    """A zip file whose files are in one folder of its name. Several threads may `add`. Raises CiliumError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._part = path.with_name(path.name + ".part")
        self._lock = threading.Lock()
        self.files = 0
        try:
            self._zip = zipfile.ZipFile(self._part, "w", zipfile.ZIP_DEFLATED)
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        try:
            self._zip.close()
            if kind is None:
                os.replace(self._part, self.path)
        except OSError as error:
            raise self._failed(error) from error
        finally:
            self._part.unlink(missing_ok=True)

    def add(self, name: str, text: str) -> None:
        """A file; `name` may have folders."""
        with self._lock:
            try:
                self._zip.writestr(f"{self.path.stem}/{name}", text)
            except OSError as error:
                raise self._failed(error) from error
            self.files += 1

    def _failed(self, error: OSError) -> CiliumError:
        return CiliumError(f"failed to write {self.path}: {error.strerror or error}; choose with --output-filename")
