"""Write filters/licenses/tables/spdx-versions.toml: SPDX list version -> the ids that it added.

    git clone https://github.com/spdx/license-list-XML
    python scripts/spdx_versions.py license-list-XML > filters/licenses/tables/spdx-versions.toml

The repository is the source of the SPDX license list. The attribute `listVersionAdded` of a
license or exception is its version. SPDX records the attribute since version 1.17. For an id
without the attribute the first release tag that holds its file counts; an id that the first tag,
v3.0, holds is taken for one of version 1.16.
"""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import PurePosixPath
from xml.etree import ElementTree

OLDEST = "1.16"
COMMENT = """\
# The SPDX license list: version -> the ids of licenses and exceptions that it added.
# scripts/spdx_versions.py writes this file from github.com/spdx/license-list-XML."""


def git(repository: str, *arguments: str) -> list[str]:
    """Return the lines that a git command writes."""
    command = ["git", "-C", repository, *arguments]
    return subprocess.check_output(command, text=True).splitlines()


def files(repository: str, revision: str) -> list[str]:
    """Return the paths of the XML files of a revision."""
    paths = git(repository, "ls-tree", "-r", "--name-only", revision, "src")
    return [path for path in paths if path.endswith(".xml")]


def release(version: str) -> tuple[int, int]:
    """Return the first two numbers of a version: "3.24.0" and "v3.24" are release (3, 24)."""
    major, minor = re.findall(r"\d+", version)[:2]
    return int(major), int(minor)


def main(repository: str) -> None:
    """Write the table of the newest release to standard output."""
    tags = sorted(git(repository, "tag", "--list", "v3.*"), key=release)
    first: dict[str, str] = {}
    for tag in tags:
        for path in files(repository, tag):
            first.setdefault(PurePosixPath(path).name, OLDEST if tag == "v3.0" else tag)
    added: dict[tuple[int, int], list[str]] = defaultdict(list)
    for path in files(repository, tags[-1]):
        xml = "\n".join(git(repository, "show", f"{tags[-1]}:{path}"))
        (entry, *_) = ElementTree.fromstring(xml)
        version = entry.get("listVersionAdded") or first[PurePosixPath(path).name]
        added[release(version)].append(entry.attrib["licenseId"])
    print(COMMENT)
    for (major, minor), ids in sorted(added.items()):
        print(f'"{major}.{minor}" = [', *(f'    "{name}",' for name in sorted(ids)), "]", sep="\n")


if __name__ == "__main__":
    main(sys.argv[1])
