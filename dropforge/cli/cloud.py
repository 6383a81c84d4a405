"""Which cloud is meant: the local one under a home folder, or AWS as the stack's outputs tell."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from dropforge.cli.errors import CliError, UsageError

PREFIX = "dropforge"
STRANGERS = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
"""A profile or a session token of the shell would spoil the local cloud's own keys."""


class Kind(StrEnum):
    LOCAL = "local"
    AWS = "aws"


@dataclass(frozen=True)
class Place:
    """One stage of one cloud, and how to reach it. `keys` are the local cloud's own; AWS's come from boto3's chain."""

    kind: Kind
    where: str
    stage: str
    region: str
    api: str
    bucket: str
    stack: str
    endpoint: str | None = None
    keys: tuple[str, str] | None = field(default=None, repr=False)
    api_key_value: str | None = field(default=None, repr=False)
    api_key_id: str | None = None

    @property
    def header(self) -> str:
        return f"{self.where} · stage {self.stage}"

    @cached_property
    def session(self) -> Any:
        if self.keys is None:
            return boto3.Session(region_name=self.region)
        access, secret = self.keys
        # Without a name for it, AWS_PROFILE is not read: at home a profile means nothing, and may not even exist.
        alone = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
        return boto3.Session(access, secret, region_name=self.region, botocore_session=alone)

    def client(self, service: str) -> Any:
        return self.session.client(service, endpoint_url=self.endpoint)

    @property
    def pause(self) -> float:
        """How long to wait between two looks: seconds that count at home, and calls that cost on AWS."""
        return 0.4 if self.kind is Kind.LOCAL else 3.0

    @property
    def key_is_given(self) -> bool:
        """Whether the clients' key is the one that the environment names."""
        return bool(os.environ.get("DROPFORGE_API_KEY"))

    def api_key(self) -> str:
        """Give the clients' key; on AWS it is asked for, unless DROPFORGE_API_KEY holds it."""
        given = os.environ.get("DROPFORGE_API_KEY") or self.api_key_value
        if given:
            return given
        if not self.api_key_id:
            raise CliError(f"The stack {self.stack} names no API key: set DROPFORGE_API_KEY to the one to use.")
        try:
            found = self.client("apigateway").get_api_key(apiKey=self.api_key_id, includeValue=True)
        except (BotoCoreError, ClientError) as error:
            raise CliError(f"The API key cannot be read ({error}): set DROPFORGE_API_KEY instead.") from error
        return str(found["value"])

    def environment(self) -> dict[str, str]:
        """Give the variables that point any AWS client at this place."""
        variables = {"AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
        if self.endpoint and self.keys:
            variables |= {
                "AWS_ENDPOINT_URL": self.endpoint,
                "AWS_ACCESS_KEY_ID": self.keys[0],
                "AWS_SECRET_ACCESS_KEY": self.keys[1],
            }
        return variables | {
            "DROPFORGE_STAGE": self.stage,
            "DROPFORGE_API": self.api,
            # A home knows its own: what a shell has may be that of another, from before.
            "DROPFORGE_API_KEY": self.api_key_value or self.api_key(),
            "DROPFORGE_BUCKET": self.bucket,
        }


def find_place(kind: Kind | None, home: Path, stage: str) -> Place:
    """Find the stage that is meant: at home if a cloud runs there, on AWS otherwise."""
    running = (home / "cloud.json").exists()
    match kind or (Kind.LOCAL if running else Kind.AWS):
        case Kind.LOCAL:
            return local_place(home, stage)
        case Kind.AWS:
            try:
                return aws_place(stage, os.environ.get("DROPFORGE_PREFIX") or PREFIX)
            except CliError as error:
                if kind:
                    raise
                hint = f"No local cloud is up at {home}: `make up` or `dropforge up` starts one."
                raise type(error)(f"{hint} So AWS was meant: {error}") from error


def local_place(home: Path, stage: str) -> Place:
    try:
        return described_place(json.loads((home / "cloud.json").read_text("utf-8")), home, stage)
    except FileNotFoundError:
        raise CliError(f"No local cloud runs at {home}: start it with `dropforge up`.") from None
    except ValueError as error:
        raise CliError(
            f"{home / 'cloud.json'} cannot be read ({error}): `dropforge down`, then `dropforge up`."
        ) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise CliError(f"{home / 'cloud.json'} tells of no cloud: `dropforge down`, then `dropforge up`.") from error


def described_place(cloud: Mapping[str, Any], home: Path, stage: str) -> Place:
    """Read a place from what a local cloud says of itself."""
    stages = cloud["stages"]
    if stage not in stages:
        raise UsageError(f"The local cloud at {home} has no stage {stage!r}; it has {', '.join(sorted(stages))}.")
    mine = stages[stage]
    return Place(
        kind=Kind.LOCAL,
        where=f"local cloud at {home}",
        stage=stage,
        region=cloud["region"],
        api=mine["api"].rstrip("/"),
        bucket=mine["bucket"],
        stack=mine["stack"],
        endpoint=cloud["endpoint"],
        keys=(cloud["access_key"], cloud["secret_key"]),
        api_key_value=mine["api_key"],
    )


def aws_place(stage: str, prefix: str) -> Place:
    stack = f"{prefix}-{stage}"
    # boto3 itself reads AWS_DEFAULT_REGION alone; other clients, and functions on AWS, AWS_REGION.
    session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
    if session.region_name is None:
        raise CliError("No AWS region is chosen: set AWS_REGION or AWS_DEFAULT_REGION.")
    try:
        found = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            raise CliError(f"AWS {session.region_name} has no stack {stack}: deploy it, or choose --stage.") from error
        raise CliError(f"AWS cannot be asked about the stack {stack}: {error.response['Error']['Message']}.") from error
    except BotoCoreError as error:
        raise CliError(f"AWS cannot be asked about the stack {stack}: {str(error).rstrip('.')}.") from error
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}
    try:
        api, bucket = outputs.get("ApiUrl") or outputs["EndpointURL"], outputs["BucketName"]
    except KeyError as error:
        raise CliError(f"The stack {stack} lacks the output {error}: it is not deployed yet, or not ours.") from error
    account = found["StackId"].split(":")[4]
    return Place(
        kind=Kind.AWS,
        where=f"AWS {account} {session.region_name}",
        stage=stage,
        region=session.region_name,
        api=api.rstrip("/"),
        bucket=bucket,
        stack=stack,
        api_key_id=outputs.get("ApiKeyId"),
    )
