"""The pages that add something to the package by diffs, which ``git apply`` takes.

``python -m tests.guides`` writes the diffs again, with line numbers and context as they are now.
It needs of a diff only that each hunk still has one line of its context; counts may be wrong.
"""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parent.parent
LEFT_BEHIND = shutil.ignore_patterns(
    ".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "_build", "build", "dist", "runs"
)
WRITTEN_BY_SPHINX = {"api", "notebooks", "regularizers.md"}
DIFF = re.compile(r"(?<=^```diff\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)
FLEETING = re.compile(r"^index .*\n|(?<= @@) .*$|^ $", re.MULTILINE)  # and trailing blanks


@dataclasses.dataclass(frozen=True)
class Guide:
    """A diff of a page, and the module that following it adds."""

    page: str
    module: str

    def cells(self):
        """The page's texts: a notebook's cells, or the one of a file."""
        text = (ROOT / self.page).read_text(encoding="utf-8")
        if not self.page.endswith(".ipynb"):
            return [text]
        return ["".join(cell["source"]) for cell in json.loads(text)["cells"]]

    def diff(self):
        (diff,) = filter(self.is_own, DIFF.findall("\n".join(self.cells())))
        return diff

    def is_own(self, diff):
        """A page with several has one for each module; a notebook's module is a cell of it."""
        return f"b/{self.module}" in diff or self.page.endswith(".ipynb")

    def modules(self):
        """The text of the module, where the page has it as a cell and not in the diff."""
        title = pathlib.Path(self.module).stem.replace("_", " ").capitalize()
        cells = [cell for cell in self.cells() if cell.startswith("from typing import")]
        return [f'"""{title}."""\n\n{cell}\n' for cell in cells]

    def rewrite(self, diff):
        def own(found):
            return diff if self.is_own(found[0]) else found[0]

        path = ROOT / self.page
        text = path.read_text(encoding="utf-8")
        if self.page.endswith(".ipynb"):
            page = json.loads(text)
            for cell in page["cells"]:
                new = DIFF.sub(own, "".join(cell["source"]))
                cell["source"] = new.splitlines(keepends=True)
            text = json.dumps(page, indent=1, ensure_ascii=False) + "\n"
        else:
            text = DIFF.sub(own, text)
        path.write_text(text, encoding="utf-8")


GUIDES = {
    "power_sign": Guide("CONTRIBUTING.md", "regopt_jax/optimizers/power_sign.py"),
    "skip_spikes": Guide("CONTRIBUTING.md", "regopt_jax/wrappers/skip_spikes.py"),
    "mcp": Guide("CONTRIBUTING.md", "regopt_jax/regularizers/mcp.py"),
    "adamod": Guide(
        "notebooks/06_write_your_own.ipynb", "regopt_jax/transforms/scale_by_adamod.py"
    ),
}


def git(folder, *arguments, given=None):
    """Git, as if the folder stood in no repository but its own."""
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)},
        input=given,
        capture_output=True,
        text=True,
    )


def copy(folder):
    """The repository in a folder, without what git ignores."""

    def left_behind(inside, names):
        ignored = set(LEFT_BEHIND(inside, names))
        return ignored | WRITTEN_BY_SPHINX if pathlib.Path(inside) == ROOT / "docs" else ignored

    shutil.copytree(ROOT, folder, ignore=left_behind)
    return folder


def follow(guide, folder):
    """Write and apply what the page says, in a copy of the repository."""
    for text in guide.modules():
        (folder / guide.module).write_text(text)
    return git(folder, "apply", "-", given=guide.diff())


def refreshed(diff, folder):
    """The diff as git writes it for the files of a folder, to which it is applied."""
    order = folder.parent / "order"
    order.write_text("\n".join(re.findall(r"^\+\+\+ b/(.*)", diff, re.MULTILINE)))
    steps = [
        (("init", "-q"), None),
        (("add", "--all"), None),
        (("apply", "-C1", "--recount", "--unidiff-zero"), diff),
        (("add", "--all", "--intent-to-add"), None),
        (("diff", "-U1", f"-O{order}"), None),
    ]
    for arguments, given in steps:
        done = git(folder, *arguments, given=given)
        if done.returncode:
            raise SystemExit(f"git {arguments[0]}: {done.stderr}")
    return FLEETING.sub("", done.stdout)


if __name__ == "__main__":
    for guide in GUIDES.values():
        if (ROOT / guide.module).exists():
            sys.exit(f"{guide.page} has been followed here: {guide.module} exists")
        with tempfile.TemporaryDirectory() as folder:
            guide.rewrite(refreshed(guide.diff(), copy(pathlib.Path(folder) / "copy")))
