"""What is said to Docker or Podman, word by word. Both understand all of it; nothing here is run.

Values go by `--env NAME=VALUE`: what the client inherits would steer the client itself, and its files of variables
cannot hold every value.
"""

from __future__ import annotations

from collections.abc import Iterator

from dropforge.local.sagemaker.sandbox.spec import SandboxError, Spec
from dropforge.local.sagemaker.sandbox.view import HOST

LABEL = "dropforge.home"
_SHARED_MEMORY = "1g"
"""Of /dev/shm, used as it is needed: what loads data in several processes fails with an engine's usual 64 MB."""
_CAPABILITIES = ("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID",
                 "SYS_CHROOT")  # fmt: skip
"""Of root in the container. SageMaker's images run as root, chown what they unpack, serve by nginx, which gives up root
for its workers, and join hosts by sshd, which needs the first and the last, too. What an engine would give besides
(raw sockets, device files, handing capabilities on) no training needs."""


def create(name: str, label: str, image: str, spec: Spec, *, network: str | None = None, host: str = HOST) -> list[str]:
    """Make a container that is started later. Without a network it has only its own loopback.

    The working folder is the image's own, as on AWS; so is the user.
    """
    entry, *rest = spec.entrypoint or ("",)
    # What a request asks for beyond the image's name comes after it, and so cannot be taken for an option.
    return [
        "create", "--name", name, "--label", f"{LABEL}={label}", "--rm", "--pull", "never", "--init",
        "--hostname", host,
        *_network(spec, network, host),
        *_limits(spec),
        "--cap-drop", "ALL", *(word for each in _CAPABILITIES for word in ("--cap-add", each)),
        "--security-opt", "no-new-privileges",
        # All that is written is read as it comes; a copy on the engine's own disk would be limited by nobody.
        "--log-driver", "none",
        "--volume", _opt_ml(spec),
        *(word for each, value in spec.environment.items() for word in ("--env", f"{each}={value}")),
        *(["--entrypoint", entry] if entry else []),
        image, *rest, *spec.command,
    ]  # fmt: skip


def _network(spec: Spec, network: str | None, host: str) -> Iterator[str]:
    if network is None:
        yield from ("--network", "none", "--add-host", f"{host}:127.0.0.1")
    else:
        yield from ("--network", network, "--network-alias", host)
    if spec.port:
        yield from ("--publish", f"127.0.0.1::{spec.port}")


def _limits(spec: Spec) -> Iterator[str]:
    yield from ("--pids-limit", str(spec.processes), "--ulimit", f"nofile={spec.files}:{spec.files}")
    yield from ("--shm-size", _SHARED_MEMORY)
    if spec.file_size:
        yield from ("--ulimit", f"fsize={spec.file_size}:{spec.file_size}")
    if most := spec.most_memory:  # as much with swap as without: none
        yield from ("--memory", str(most), "--memory-swap", str(most))


def _opt_ml(spec: Spec) -> str:
    """Lay the folder on /opt/ml; `Z` lets it be seen on machines with SELinux, and means nothing elsewhere."""
    source = f"{spec.folder}/ml"
    if ":" in source:
        raise SandboxError(f"An engine cannot be told of {source}: there is a colon in it.")
    return f"{source}:/opt/ml:Z"


def open_up(label: str, image: str, spec: Spec) -> list[str]:
    """Let everybody have what a container's users have left: by root of a container, for it is not ours to give."""
    return [
        "run", "--label", f"{LABEL}={label}", "--rm", "--pull", "never", "--network", "none", "--user", "0:0",
        "--log-driver", "none", "--volume", _opt_ml(spec), "--entrypoint", "chmod",
        image, "-R", "a+rwX", "/opt/ml",
    ]  # fmt: skip


def start(name: str) -> list[str]:
    """Start it, write what it writes, end as it ends."""
    return ["start", "--attach", name]


def signal(name: str, signal_name: str) -> list[str]:
    return ["kill", "--signal", signal_name, name]


def kill(name: str) -> list[str]:
    """Kill it at once: Podman's removal alone would ask, and wait ten seconds."""
    return signal(name, "SIGKILL")


def remove(name: str) -> list[str]:
    """Leave nothing of it."""
    return ["rm", "--force", "--volumes", name]


def published(name: str, port: int) -> list[str]:
    """Ask where on this machine a port of a container is reached."""
    return ["port", name, f"{port}/tcp"]


def create_network(name: str, label: str, *, outward: bool) -> list[str]:
    """Lay a network; one that does not lead outward cannot publish a port."""
    return ["network", "create", "--label", f"{LABEL}={label}", *([] if outward else ["--internal"]), name]


def remove_network(name: str) -> list[str]:
    return ["network", "rm", name]


def containers(label: str) -> list[str]:
    return ["ps", "--all", "--quiet", "--filter", f"label={LABEL}={label}"]


def networks(label: str) -> list[str]:
    return ["network", "ls", "--quiet", "--filter", f"label={LABEL}={label}"]


def look() -> list[str]:
    """Ask for what whoever answers can answer."""
    return ["ps", "--quiet"]


def has(image: str) -> list[str]:
    return ["image", "inspect", "--format", "{{.Id}}", image]


def pull(image: str) -> list[str]:
    return ["pull", "--quiet", image]
