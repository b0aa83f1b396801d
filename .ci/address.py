"""Write the address that pyproject.toml names, ``Repository``, into every file that shows it.

``python .ci/address.py``, after a change there. The README's install line tells the address before.
"""

import pathlib
import re
import sys
import tomllib

SHOWN = ("*.md", "*.cff", "docs/*.md", "notebooks/*.ipynb", ".github/**/*.yml")
GITHUB = "https://github.com/"


def write(root: pathlib.Path) -> list[str]:
    """Replace the address before by the one in force; the files that changed."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address = project["urls"]["Repository"]
    readme = (root / "README.md").read_text(encoding="utf-8")
    (before,) = re.findall(rf"^pip install git\+{GITHUB}(\S+)$", readme, re.MULTILINE)
    if not re.fullmatch(rf"{GITHUB}[\w.-]+/[\w.-]*\w", address):
        raise SystemExit(f"Repository is {address!r}: expected {GITHUB}OWNER/NAME")
    changed = []
    for path in sorted(path for pattern in SHOWN for path in root.glob(pattern)):
        text = path.read_text(encoding="utf-8")
        new = text.replace(before, address.removeprefix(GITHUB))
        if new != text:
            path.write_text(new, encoding="utf-8")
            changed.append(str(path.relative_to(root)))
    return changed


if __name__ == "__main__":
    sys.stdout.writelines(f"{path}\n" for path in write(pathlib.Path(__file__).parent.parent))
