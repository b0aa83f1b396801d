"""``python -m tests.compat.run PROGRAM [--face]``: its results as JSON, under Optax or our face."""

import importlib
import json
import sys


def main(program, face):
    if face:
        from regopt_jax import optax

        sys.modules["optax"] = optax
    import jax
    import numpy as np

    found = importlib.import_module(f"tests.compat.programs.{program}").main()
    used = sys.modules["optax"].__name__
    leaves = {
        jax.tree_util.keystr(path): np.asarray(x, np.float64).tolist()
        for path, x in jax.tree.leaves_with_path(found)
    }
    print(json.dumps({"used": used, "leaves": leaves}))


if __name__ == "__main__":
    main(sys.argv[1], "--face" in sys.argv)
