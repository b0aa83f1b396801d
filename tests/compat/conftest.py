"""The programs are run, not collected: they import libraries that may not be there."""

collect_ignore_glob = ["programs/*"]
