"""The README as the package page shows it: links and images lead to the address."""

import pathlib
import re

from hatchling.metadata.plugin.interface import MetadataHookInterface


def absolute(text: str, address: str, version: str) -> str:
    """Relative links become links to the release's files; a link within the page stays."""

    def link(found: re.Match[str]) -> str:
        image, label, target = found.groups()
        kind = "raw" if image else "blob"
        return f"{image}[{label}]({address}/{kind}/v{version}/{target})"

    return re.sub(r"(!?)\[([^\]]*)\]\((?!\w+:|#)([^)]+)\)", link, text)


class Readme(MetadataHookInterface):
    """What stands under ``[tool.hatch.metadata.hooks.custom]``."""

    def update(self, metadata: dict) -> None:
        """Called by Hatchling."""
        text = (pathlib.Path(self.root) / "README.md").read_text(encoding="utf-8")
        page = absolute(text, metadata["urls"]["Repository"], metadata["version"])
        metadata["readme"] = {"content-type": "text/markdown", "text": page}
