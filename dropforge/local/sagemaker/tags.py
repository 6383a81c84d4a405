"""Tags on anything that has an ARN."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.store import Doc, MissingError
from dropforge.local.sagemaker.wire import refusals
from dropforge.local.sagemaker.wire.operation import Operation

_MOST = 50
_RESERVED = "aws:"


def given(request: Mapping[str, Any]) -> list[Doc]:
    """Give the tags of a request; those that AWS alone may give are refused, and two of one key."""
    tags = list(request.get("Tags") or ())
    _check(tag["Key"] for tag in tags)
    if len({tag["Key"] for tag in tags}) < len(tags):
        raise refusals.SAME_TAG()
    return tags


class Tags:
    """AddTags, ListTags and DeleteTags; the tags stand in the document of the thing itself."""

    def __init__(self, ground: Ground) -> None:
        self._store = ground.store
        self._account = ground.account

    def operations(self) -> dict[str, Operation]:
        return {
            "AddTags": Operation(self.add),
            "ListTags": Operation(self.list, {"MaxResults": "a page has the 50 tags that a thing may have"}),
            "DeleteTags": Operation(self.delete),
        }

    def add(self, request: Mapping[str, Any]) -> Doc:
        new = given(request)

        def merge(doc: Doc) -> None:
            tags = {tag["Key"]: tag["Value"] for tag in [*doc.get("_tags", []), *new]}
            if len(tags) > _MOST:
                raise refusals.TOO_MANY_TAGS(most=_MOST)
            doc["_tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]

        return {"Tags": self._change(request["ResourceArn"], merge)["_tags"]}

    def list(self, request: Mapping[str, Any]) -> Doc:
        if request.get("NextToken"):  # there was no page with more to come
            raise refusals.BAD_TOKEN()
        return {"Tags": self._find(request["ResourceArn"])[2].get("_tags", [])}

    def delete(self, request: Mapping[str, Any]) -> Doc:
        _check(request["TagKeys"])

        def remove(doc: Doc) -> None:
            doc["_tags"] = [tag for tag in doc.get("_tags", []) if tag["Key"] not in request["TagKeys"]]

        self._change(request["ResourceArn"], remove)
        return {}

    def _change(self, arn: str, edit: Any) -> Doc:
        kind, name, _ = self._find(arn)
        try:
            return self._store.change(kind, name, edit)
        except MissingError as error:
            raise refusals.RESOURCE_MISSING(arn=arn) from error

    def _find(self, arn: str) -> tuple[str, str, Doc]:
        """Find a thing of this account and region: its kind, its name in whatever case, and what is known of it."""
        place, _, path = arn.rpartition(":")
        kind, _, name = path.partition("/")
        doc = self._store.get(kind, name)
        if doc is None or f"{place}:{kind}/" != self._account.arn(kind, ""):
            raise refusals.RESOURCE_MISSING(arn=arn)
        return kind, name, doc


def _check(keys: Iterable[str]) -> None:
    for key in keys:
        if key.lower().startswith(_RESERVED):
            raise refusals.RESERVED_TAG(key=key)
