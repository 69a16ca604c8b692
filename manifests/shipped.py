"""TOML files that a package ships as examples, with their sources in comments."""

from dataclasses import dataclass
from pathlib import Path

from manifests.config import shipped
from manifests.console.options import answer
from manifests.errors import UsageError
from manifests.io import files


@dataclass(frozen=True)
class ShippedFiles:
    """The TOML files of a directory of the package.

    Attributes:
        directory: of the files.
        what: what a file is, in one word.
    """

    directory: Path
    what: str

    def names(self) -> list[str]:
        """Return the names of the files, without `.toml`."""
        return sorted(path.stem for path in self.directory.glob("*.toml"))

    def read(self, name: str) -> str:
        """Return the content of a file; UsageError if there is none of that name."""
        return Path(shipped(self.directory, name, self.what)).read_text()

    def comment(self, name: str) -> str:
        """Return what a file is and where it is published: the comment at its start."""
        lines = self.read(name).splitlines()
        end = next(number for number, line in enumerate(lines) if not line.startswith("#"))
        return "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[:end])

    def list_or_write(self, name: str | None, out: str, as_json: bool, then: str) -> None:
        """Print the names and comments of all files, or write one: the body of a subcommand.

        Args:
            name: of the file to write; None for the list.
            out: the path to write.
            as_json: print JSON.
            then: what to do with the written file.

        Raises:
            UsageError: there is no such file, or `out` exists.
        """
        if name is None:
            about = {known: self.comment(known) for known in self.names()}
            text = "\n\n".join(f"{known}\n{comment}" for known, comment in about.items())
            answer(as_json, {f"{self.what}s": about}, lambda: text)
            return
        content = self.read(name)
        if files.exists(out):
            raise UsageError(f"{out}: exists already; name another file with --out")
        files.write_bytes(out, content.encode())
        answer(as_json, {"out": out, self.what: name}, lambda: f"{out}: written; {then}")
