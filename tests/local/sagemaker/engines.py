"""Whoever runs containers, as tests meet them: folders, an engine of this machine, and one that is pretended."""

from __future__ import annotations

import os
import sys
import urllib.parse
from pathlib import Path

from dropforge.local.sagemaker.engine import arguments, client
from dropforge.local.sagemaker.engine.image import Engine, Real
from dropforge.local.sagemaker.sandbox.contract import Image
from dropforge.local.sagemaker.sandbox.folders import Folder

IMAGE = "docker.io/library/python:3.12-alpine"
"""Small, and with a `python`; what engines run in these tests."""
PRETENDED = Path(__file__).with_name("pretended_docker.py")


def pretend(folder: Path, **images: Path) -> dict[str, str]:
    """Make a pretended engine that can get some images; gives the variables that put it on the PATH."""
    state, programs = folder / "pretended", folder / "bin"
    (state / "registry").mkdir(parents=True)
    (state / "images" / urllib.parse.quote(IMAGE, safe="")).mkdir(parents=True)
    for name, programs_of in images.items():
        (state / "registry" / urllib.parse.quote(name, safe="")).symlink_to(programs_of)
    programs.mkdir()
    (programs / "docker").write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {PRETENDED} "$@"\n')
    (programs / "docker").chmod(0o755)
    return {"PATH": f"{programs}:{os.environ['PATH']}", "PRETENDED_DOCKER": str(state)}


def missing() -> str | None:
    """Say why no engine can be tried here; None when one answers and has the image, or can get it."""
    try:
        found = client.find()
    except client.EngineError as error:
        return f"no Docker or Podman answers: {error}"
    try:
        found.run(arguments.has(IMAGE))
    except client.EngineError:
        try:
            found.pull(IMAGE, lambda: False)
        except client.EngineError as error:
            return f"{found.program} cannot get {IMAGE}: {error}"
    return None


def image(kind: str, home: Path) -> Image:
    """Give something to run programs in; a folder's is empty."""
    return Folder(home) if kind == "folder" else Real(Engine(home), IMAGE)


def left(image: Image) -> list[str]:
    """Name the containers and networks that an engine still has of a home; a folder has none."""
    if not isinstance(image, Real):
        return []
    asked = (arguments.containers(image.engine.label), arguments.networks(image.engine.label))
    return [each for words in asked for each in image.engine.client().run(words).split()]
