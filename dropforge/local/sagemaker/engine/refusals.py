"""What is refused of images that an engine runs."""

from __future__ import annotations

from dropforge.local.sagemaker.wire.refusal import OURS, Refusal

_VALIDATION = "ValidationException"

NO_ENGINE = Refusal(
    when="an image that Docker or Podman is to run is named, and neither answers",
    code=_VALIDATION,
    message="Requested image {uri} cannot be run now: {why}",
    source=OURS,
)
NOT_ISOLATED = Refusal(
    when="a model asks for network isolation and its image is run by Docker or Podman",
    code=_VALIDATION,
    message="EnableNetworkIsolation is not to be had for {uri}: an engine publishes ports of no network that leads"
    " nowhere. Leave it out here, or let a folder stand in for the image.",
    source=OURS,
)
