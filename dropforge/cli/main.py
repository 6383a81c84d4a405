"""The `dropforge` command: a client of the bucket and of the HTTP API."""

from __future__ import annotations

from dropforge.cli.beginning import beginning

with beginning():
    from importlib.metadata import version
    from typing import Annotated

    import typer

    from dropforge.cli import (
        check,
        events,
        home,
        look,
        metrics,
        pause,
        releases,
        sagemaker,
        send,
        simulate,
        start,
        steer,
    )
    from dropforge.cli.command import end

_HELP = """Drop a dataset into a bucket; get a tested, registered, live model behind an HTTP route.

Exit codes: 0 ok · 1 the cloud did not answer, or answered with an error · 2 usage \
· 3 refused · 4 failed · 5 rejected · 6 timed out · 130 interrupted."""

app = typer.Typer(
    help=_HELP,
    epilog="Example: dropforge up && dropforge push examples/digits/pipeline --name digits",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
for group in (
    home.app,
    sagemaker.app,
    send.app,
    look.app,
    metrics.app,
    pause.app,
    start.app,
    releases.app,
    check.app,
    simulate.app,
    steer.app,
):
    app.registered_commands += group.registered_commands
app.add_typer(events.app, name="events")


def _tell_version(asked: bool) -> None:
    if asked:
        print(f"dropforge {version('dropforge')}")
        raise typer.Exit


@app.callback()
def dropforge(
    *,
    tell_version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    del tell_version  # its callback has done all there is


def run() -> None:
    """Run the command line; it never returns without an exit code."""
    end(app)


if __name__ == "__main__":
    run()
