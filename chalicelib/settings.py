"""What this deployment was told by its environment; a bad value fails at start and names its variable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from socket import inet_aton
from urllib.parse import urlsplit

from chalicelib.errors import BadSettingError
from chalicelib.names import PREFIX_LIMIT, STAGE_LIMIT, Names

_UNTOLD = "DROPFORGE_WEBHOOK_"
"""What is wrong with these is told without their values: a secret may stand where its name belongs."""
_WORD = "[a-z0-9]+"
_REGION = "[a-z]{2}(-[a-z]+)+-[0-9]"
_BUCKET = "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_SOURCE = rf"{_BUCKET}(/[^,]*)?"
_TABLE = "[A-Za-z0-9_.-]{3,255}"
_URL = "https?://.+"
_ROLE = "arn:aws[a-z-]*:iam::[0-9]{12}:role/.+"
_BUS = r"[A-Za-z0-9._/-]{1,256}|arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9._/-]+"
_INSTANCE = r"ml\.[a-z0-9-]+\.[a-z0-9-]+"
_OVERRIDE = r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?"
_MADE = {
    "DROPFORGE_BUCKET": "made-by-the-stack",
    "DROPFORGE_TABLE": "made-by-the-stack",
    "DROPFORGE_WAKE_QUEUE": "https://made-by-the-stack",
    "DROPFORGE_JOB_ROLE": "arn:aws:iam::000000000000:role/made-by-the-stack",
}
"""What the stack tells its functions, unless the configuration does: it stands in until there is a stack."""
_ANY_REGION = {"AWS_REGION": "us-east-1"}
"""A function's is Lambda's to tell; that of a shell which packages has no part in it."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_METADATA = IPv6Address("fd00:ec2::254")
"""https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html"""


@dataclass(frozen=True, slots=True)
class Settings:
    prefix: str
    stage: str
    region: str
    bucket: str
    table: str
    wake_queue: str
    """URL of the queue that wakes the machines."""
    job_role: str
    """ARN of the role that training jobs and endpoints run under."""
    instance_types: frozenset[str]
    """What the stage allows; a pipeline that asks for another is refused."""
    overrides: tuple[str, ...]
    """Dotted keys that run.toml may set; `train.hyperparameters.*` allows every key below."""
    sources: tuple[str, ...] = ()
    """Buckets of others, or folders of them (`bucket/folder/`), whose data may be trained on where it lies."""
    bus: str = "default"
    """Name or ARN of the event bus that our own events go to."""
    topic: str | None = None
    """ARN of the SNS topic that our own events are published to."""
    webhook: str | None = None
    """URL that our own events are posted to."""
    webhook_secret: str | None = None
    """Name of the SecureString parameter whose value signs them."""

    @property
    def names(self) -> Names:
        return Names(self.prefix, self.stage)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        names = names_from_env(env)
        return cls(
            prefix=names.prefix,
            stage=names.stage,
            region=_one(env, "AWS_REGION", _REGION, "a region such as eu-west-1"),
            bucket=_one(env, "DROPFORGE_BUCKET", _BUCKET, "the name of an S3 bucket"),
            table=_one(env, "DROPFORGE_TABLE", _TABLE, "the name of a DynamoDB table"),
            wake_queue=_one(env, "DROPFORGE_WAKE_QUEUE", _URL, "the URL of an SQS queue"),
            job_role=_one(env, "DROPFORGE_JOB_ROLE", _ROLE, "the ARN of an IAM role"),
            instance_types=frozenset(_some(env, "DROPFORGE_INSTANCE_TYPES", _INSTANCE, "ml.m5.large,ml.m5.xlarge")),
            overrides=_list(env, "DROPFORGE_OVERRIDES", _OVERRIDE, "train.hyperparameters.*,train.instance_type"),
            sources=_list(env, "DROPFORGE_SOURCES", _SOURCE, "other-bucket,another-bucket/folder/"),
            bus=_one({"DROPFORGE_BUS": "default"} | dict(env), "DROPFORGE_BUS", _BUS, "an event bus's name or ARN"),
            topic=_maybe(env, "DROPFORGE_TOPIC", _topic(names), f"the ARN of an SNS topic called {names.head}…"),
            webhook=_webhook(env),
            webhook_secret=_webhook_secret(env, names),
        )


def names_from_env(env: Mapping[str, str]) -> Names:
    """Read prefix and stage alone: all that event filters need while the app is packaged, before any bucket exists."""
    prefix = _one(env, "DROPFORGE_PREFIX", f"(?=.{{1,{PREFIX_LIMIT}}}$){_WORD}", _short(PREFIX_LIMIT))
    stage = _one(env, "DROPFORGE_STAGE", f"(?=.{{1,{STAGE_LIMIT}}}$){_WORD}", _short(STAGE_LIMIT))
    return Names(prefix, stage)


def check_before_deployment(env: Mapping[str, str]) -> None:
    """Refuse a bad setting while the app is packaged: deployed, each function would fail with it when it is called."""
    if "AWS_LAMBDA_FUNCTION_NAME" not in env:
        Settings.from_env({**_MADE, **env, **_ANY_REGION})


def is_forbidden(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is link-local or a metadata service's: whoever asks there is given our credentials."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_link_local or address == _METADATA


def _topic(names: Names) -> str:
    """The role may publish to this stage's topics alone, so another name would fail with the first event."""
    return rf"arn:aws[a-z-]*:sns:{_REGION}:[0-9]{{12}}:{names.head}[A-Za-z0-9_-]+"


def _webhook(env: Mapping[str, str]) -> str | None:
    name, wanted = "DROPFORGE_WEBHOOK_URL", "an https URL, or an http URL of this machine, without a password in it"
    value = _maybe(env, name, r"https?://[^\s@#]+", wanted)
    if value is None:
        return None
    host = _host(name, value, wanted)
    if value.startswith("http://") and host not in _LOOPBACK:
        raise BadSettingError(f"{name} is wrong; it must be {wanted}.", variable=name)
    if (address := _address(host)) and is_forbidden(address):
        raise BadSettingError(f"{name} is a link-local address, which is no webhook's.", variable=name)
    return value


def _webhook_secret(env: Mapping[str, str], names: Names) -> str | None:
    """A webhook is always signed; the role may read this stage's parameters alone."""
    name, head = "DROPFORGE_WEBHOOK_SECRET", names.head.rstrip("-")
    pattern = rf"/{head}(/[A-Za-z0-9_.-]+)+"
    wanted = f"the name of a SecureString parameter below /{head}/, whose value signs what the webhook is sent"
    if _webhook(env) is not None:
        return _one(env, name, pattern, wanted)
    return _maybe(env, name, pattern, wanted)


def _host(name: str, url: str, wanted: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port  # read, since it is checked only then
    except ValueError as error:
        raise BadSettingError(f"{name} is wrong; it must be {wanted}.", variable=name) from error
    if not parts.hostname:
        raise BadSettingError(f"{name} is wrong; it must be {wanted}.", variable=name)
    return parts.hostname


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """Read a host that is an address, in any spelling that a resolver takes: 2852039166 is 169.254.169.254."""
    with suppress(ValueError):
        return ip_address(host)
    with suppress(OSError, UnicodeError):
        return IPv4Address(inet_aton(host))
    return None


def _short(limit: int) -> str:
    return f"1 to {limit} of a-z and 0-9 (no hyphen: a filter for `dev` must not match `dev-2`)"


def _one(env: Mapping[str, str], variable: str, pattern: str, wanted: str) -> str:
    value = env.get(variable, "").strip()
    if not value:
        raise BadSettingError(f"{variable} is not set; it must be {wanted}.", variable=variable)
    return _checked(variable, value, pattern, wanted)


def _maybe(env: Mapping[str, str], variable: str, pattern: str, wanted: str) -> str | None:
    value = env.get(variable, "").strip()
    return _checked(variable, value, pattern, wanted) if value else None


def _some(env: Mapping[str, str], variable: str, pattern: str, example: str) -> tuple[str, ...]:
    values = _list(env, variable, pattern, example)
    if not values:
        raise BadSettingError(f"{variable} is not set; it must be a comma list such as {example}.", variable=variable)
    return values


def _list(env: Mapping[str, str], variable: str, pattern: str, example: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in env.get(variable, "").split(",") if part.strip())
    return tuple(_checked(variable, part, pattern, f"a comma list such as {example}") for part in parts)


def _checked(variable: str, value: str, pattern: str, wanted: str) -> str:
    if re.fullmatch(pattern, value) is None and variable.startswith(_UNTOLD):
        raise BadSettingError(f"{variable} is wrong; it must be {wanted}.", variable=variable)
    if re.fullmatch(pattern, value) is None:
        raise BadSettingError(f"{variable} is {value!r}; it must be {wanted}.", variable=variable, value=value)
    return value
