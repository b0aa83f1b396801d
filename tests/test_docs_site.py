"""The documentation of every version on one branch, as the workflow puts it there."""

import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parent.parent
NOBODY = {
    f"GIT_{who}_{what}": "nobody" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}


@pytest.fixture
def publish(tmp_path):
    """Publishes one page from a clone of a repository; gives the files of the site."""
    origin, clone = tmp_path / "origin.git", tmp_path / "clone"
    env = {**os.environ, **NOBODY}

    def run(*command, at=tmp_path):
        done = subprocess.run(command, cwd=at, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("git", "init", "-q", "--bare", str(origin))
    run("git", "clone", "-q", str(origin), str(clone))
    shutil.copytree(ROOT / ".ci", clone / ".ci")
    run("git", "add", "--all", at=clone)
    run("git", "commit", "-qm", "the code", at=clone)
    built = tmp_path / "built"

    def publish(name, page):
        shutil.rmtree(built, ignore_errors=True)
        (built / "_static").mkdir(parents=True)
        (built / "index.html").write_text(page)
        (built / "_static" / "style.css").write_text("")
        run("bash", ".ci/publish_docs", str(built), name, at=clone)
        listed = run("git", "ls-tree", "-r", "--name-only", "gh-pages", at=origin).splitlines()
        return {path: run("git", "show", f"gh-pages:{path}", at=origin) for path in listed}

    return publish


@pytest.mark.skipif(not shutil.which("git"), reason="the site is a branch")
def test_versions_stand_side_by_side(publish):
    site = publish("main", "first")
    assert set(site) == {
        ".nojekyll", "index.html", "versions.html", "main/index.html", "main/_static/style.css"
    }  # fmt: skip
    assert 'url=main/"' in site["index.html"]
    for name in ("v0.9.1", "v0.10.0", "v0.9.2", "v1.0.0rc1"):
        site = publish(name, name)
    assert 'url=v0.10.0/"' in site["index.html"]
    order = [line.split('"')[1] for line in site["versions.html"].splitlines() if "href" in line]
    assert order == ["v0.10.0/", "v0.9.2/", "v0.9.1/", "v1.0.0rc1/", "main/"]
    site = publish("main", "second")
    assert site["main/index.html"] == "second"
    assert site["v0.9.1/index.html"] == "v0.9.1"
    assert publish("main", "second") == site
