"""Put one version of the documentation into the site that holds them all.

``python .ci/site.py BUILT SITE NAME``: the pages become ``SITE/NAME``; the site's first page leads
to the newest release, or to ``main`` while there is none, and ``versions.html`` lists them.
"""

import pathlib
import re
import shutil
import sys

LEAD = '<!doctype html><meta http-equiv="refresh" content="0; url={0}/"><a href="{0}/">{0}</a>\n'
LIST = "<!doctype html><title>regopt_jax: versions</title><h1>Versions</h1>\n<ul>\n{}</ul>\n"
RELEASE = re.compile(r"v(\d+)\.(\d+)\.(\d+)")


def age(name: str) -> tuple[int, ...]:
    """Releases by their numbers; before all of them what is none, as ``main`` or ``v1.0.0rc1``."""
    found = RELEASE.fullmatch(name)
    return tuple(map(int, found.groups())) if found else (-1,)


def add(built: pathlib.Path, site: pathlib.Path, name: str) -> None:
    """Replace the pages of one version, and write the two that tell of all."""
    shutil.rmtree(site / name, ignore_errors=True)
    shutil.copytree(built, site / name, ignore=shutil.ignore_patterns(".doctrees", ".buildinfo"))
    versions = [path.parent.name for path in site.glob("*/index.html")]
    versions.sort(key=lambda version: (age(version), version), reverse=True)
    first = versions[0] if age(versions[0]) > (-1,) or "main" not in versions else "main"
    items = "".join(f'<li><a href="{version}/">{version}</a></li>\n' for version in versions)
    (site / "index.html").write_text(LEAD.format(first), encoding="utf-8")
    (site / "versions.html").write_text(LIST.format(items), encoding="utf-8")
    (site / ".nojekyll").touch()  # else GitHub leaves out folders that begin with an underscore


if __name__ == "__main__":
    built, site, name = sys.argv[1:]
    add(pathlib.Path(built), pathlib.Path(site), name)
