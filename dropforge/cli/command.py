"""What every command has in common: which cloud, how to print, and how it ends."""

from __future__ import annotations

import inspect
import io
import os
import select
import sys
from collections.abc import Callable, Sequence
from functools import cached_property, wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, TextIO

import typer
from botocore.exceptions import BotoCoreError, ClientError

from dropforge.cli.api import Api
from dropforge.cli.bucket import Bucket
from dropforge.cli.cloud import Kind, Place, find_place
from dropforge.cli.errors import CliError, Exit
from dropforge.cli.render import Terminal

P = ParamSpec("P")

SLOWEST = 100
"""Of factors on times: what lasts a day then lasts months, and any more is a slip."""


def one_of(words: Sequence[str]) -> Callable[[str], str]:
    """Give a reader of an option that takes one of these words."""

    def read(text: str) -> str:
        if text not in words:
            raise typer.BadParameter(f"{text!r} is not one of {listed(words)}.")
        return text

    return read


def listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _kind(text: str) -> Kind:
    return Kind(one_of(tuple(Kind))(text))


_PANEL = "Which cloud, and how to print"
_Cloud = Annotated[
    Kind | None,
    typer.Option(
        "--cloud",
        envvar="DROPFORGE_CLOUD",
        metavar="local|aws",
        parser=_kind,
        rich_help_panel=_PANEL,
        help="Local if one runs at --home, else AWS.",
    ),
]
_Home = Annotated[
    Path, typer.Option("--home", envvar="DROPFORGE_HOME", rich_help_panel=_PANEL, help="The local cloud's folder.")
]
_Stage = Annotated[str, typer.Option("--stage", envvar="DROPFORGE_STAGE", rich_help_panel=_PANEL, help="The stage.")]
_Json = Annotated[bool, typer.Option("--json", rich_help_panel=_PANEL, help="Print JSON.")]


class Session:
    """One call of a command: the cloud that is meant, found when first needed, and the terminal."""

    def __init__(self, *, kind: Kind | None, home: Path, stage: str, as_json: bool) -> None:
        """Look nothing up yet."""
        self.kind = kind
        self.home = home
        self.stage = stage
        self.terminal = Terminal(as_json=as_json)

    @cached_property
    def place(self) -> Place:
        place = find_place(self.kind, self.home, self.stage)
        self.terminal.header(place.header)
        return place

    @cached_property
    def api(self) -> Api:
        return Api(self.place)

    @cached_property
    def bucket(self) -> Bucket:
        return Bucket(self.place)


def command(app: typer.Typer, **how: Any) -> Callable[[Callable[Concatenate[Session, P], None]], Callable[..., None]]:
    """Register a command whose first parameter is the session; its options are added to the command's own."""

    def register(act: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
        @wraps(act)
        def called(cloud: Kind | None, home: Path, stage: str, as_json: bool, *args: Any, **kwargs: Any) -> None:
            try:
                act(Session(kind=cloud, home=home, stage=stage, as_json=as_json), *args, **kwargs)
            except BrokenPipeError as error:
                if any(map(_is_unread, (sys.stdout, sys.stderr))):
                    raise
                raise OSError(str(error)) from error  # typer would take it for output that nobody reads

        own = list(inspect.signature(act, eval_str=True).parameters.values())[1:]
        shared = [
            _option("cloud", _Cloud, None),
            _option("home", _Home, Path(".dropforge")),
            _option("stage", _Stage, "dev"),
            _option("as_json", _Json, False),
        ]
        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in [*own, *shared]]
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect.signature reads
        called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        del called.__wrapped__  # or the original's signature would be read instead
        app.command(**how)(called)
        return called

    return register


def _is_unread(stream: TextIO) -> bool:
    """Tell whether nobody reads it any more; a flush does not tell, once a write has failed and kept nothing."""
    asked = select.poll()
    try:
        asked.register(stream, select.POLLERR)
    except (OSError, ValueError):
        return False  # it is no file
    return bool(asked.poll(0))


def _option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def end(app: Callable[[], object]) -> None:
    """Run the app and leave with its exit code: an error is one sentence, never a stack trace."""
    terminal = Terminal()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except CliError as error:
        terminal.error(str(error))
        sys.exit(error.exit)
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except SystemExit as ended:
        # The libraries below end with 1 where nobody reads the output any more: whoever stopped had seen enough,
        # but a wrong call stays one, though nobody reads what is wrong with it.
        unread = ended.__context__
        if not isinstance(unread, BrokenPipeError):
            raise
        wrong = unread.__context__
        sys.exit(getattr(wrong, "exit_code", ended.code) if wrong else Exit.OK)
    except ClientError as error:
        said = error.response["Error"]
        terminal.error(f"AWS answered {error.operation_name} with {said['Code']}: {str(said['Message']).rstrip('.')}.")
        sys.exit(Exit.TROUBLE)
    except (BotoCoreError, OSError) as error:
        terminal.error(
            f"{str(error).rstrip('.')}: look at the cloud that is meant (`dropforge up` starts a local one)."
        )
        sys.exit(Exit.TROUBLE)
    except Exception as error:  # the edge of the process: a user is told a sentence
        if os.environ.get("DROPFORGE_DEBUG"):
            raise
        terminal.error(f"This should not happen: {type(error).__name__}: {error}. DROPFORGE_DEBUG=1 shows where.")
        sys.exit(Exit.TROUBLE)
    finally:
        _let_go_of_output()


def _let_go_of_output() -> None:
    """Write what is still to be written; where nobody reads any more, Python would complain of it at its own end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
