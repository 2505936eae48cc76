"""The console script `kerasgan`.

It lies outside the package because `import kerasgan` imports TensorFlow, unless this module is there: `--help` answers
at once.
"""


def main():
    """Runs the command of the process's arguments; returns its exit code."""
    from kerasgan import cli

    return cli.main()
