"""The subcommand that compiles the kernels."""

from manifests.console.options import AsJson, answer


def warm(as_json: AsJson = False) -> None:
    """Compile the kernels of this version, so that no later command has to."""
    import tempfile
    import time

    from manifests.console.formatting import plural
    from manifests.prng.jit import COMPILATIONS
    from pipelines.warm import warm as compile_kernels

    start = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        compile_kernels(directory)
    seconds = time.monotonic() - start
    values = {"compiled": COMPILATIONS.count, "seconds": round(seconds, 1)}
    text = f"{plural(COMPILATIONS.count, 'kernel')} compiled in {seconds:.0f} s"
    answer(as_json, values, lambda: text)


COMMANDS = (warm,)
