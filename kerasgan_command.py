"""The console script `kerasgan`.

`import kerasgan` imports TensorFlow, unless this module, which lies outside the package, came first: `kerasgan --help`
answers at once.
"""


def main() -> int:
    """Runs the command with the process's arguments, and returns its exit code."""
    from kerasgan import cli

    return cli.main()
