"""``python -m regopt_jax``: train a small network on real images, from the command line."""

import importlib.util
import os
import signal
import sys
import warnings
from collections.abc import Sequence

from regopt_jax.demo import cli, signals
from regopt_jax.demo.errors import DemoError, one_line, visible

NEEDED = ("filelock", "flax", "matplotlib", "orbax", "rich", "sklearn")
DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 2 for whatever the user can mend."""
    try:
        _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except DemoError as error:
        return _error(str(error))
    except BrokenPipeError:
        # Whoever read the output has left; nothing more can be said to them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _error(f"{where}{error.strerror or one_line(error)}")
    except KeyboardInterrupt as stop:
        number = signal.SIGTERM if isinstance(stop, signals.Terminated) else signal.SIGINT
        saved = getattr(stop, "__notes__", ["this run has saved nothing"])
        if sys.stderr.isatty():
            print(file=sys.stderr)  # behind the terminal's ^C
        said = "; ".join([signals.WORDS[number], *saved])
        print(f"regopt_jax: {visible(said)}", file=sys.stderr)
        return signals.status(number)
    finally:
        signals.leave_again()
    return 0


def _error(message: str) -> int:
    print(f"regopt_jax: error: {visible(message)}", file=sys.stderr)
    return 2


def _run(argv: Sequence[str]) -> None:
    args = cli.parser().parse_args(argv)
    needed = ("rich",) if args.command == "list" else NEEDED
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise DemoError(
            f"the demo needs packages that are not installed ({', '.join(missing)}): "
            "pip install 'regopt-jax[demo]'"
        )
    # A GPU adds in any order unless told not to, and a resumed run must end on the same bits.
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {DETERMINISTIC}".strip()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rich.console import Console

        if args.command == "list":
            from regopt_jax.demo.listing import run_list

            run_list(args, Console())
            return

        from regopt_jax.demo import commands

        command = {"train": commands.run_train, "compare": commands.run_compare}[args.command]
        signals.raise_instead()
        command(args, Console())


if __name__ == "__main__":
    # What Orbax leaves unfinished after a save that fails would complain when the line is said.
    sys.unraisablehook = lambda unraisable: None
    warnings.simplefilter("ignore")
    sys.exit(main())
