"""Tags on anything that has an ARN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.store import Doc, MissingError
from dropforge.local.sagemaker.wire import refusals
from dropforge.local.sagemaker.wire.operation import Operation

_MOST = 50


class Tags:
    """AddTags, ListTags and DeleteTags; the tags stand in the document of the thing itself."""

    def __init__(self, ground: Ground) -> None:
        self._store = ground.store

    def operations(self) -> dict[str, Operation]:
        return {
            "AddTags": Operation(self.add),
            "ListTags": Operation(self.list),
            "DeleteTags": Operation(self.delete),
        }

    def add(self, request: Mapping[str, Any]) -> Doc:
        def merge(doc: Doc) -> None:
            tags = {tag["Key"]: tag["Value"] for tag in [*doc.get("_tags", []), *request["Tags"]]}
            if len(tags) > _MOST:
                raise refusals.TOO_MANY_TAGS(most=_MOST)
            doc["_tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]

        return {"Tags": self._change(request["ResourceArn"], merge)["_tags"]}

    def list(self, request: Mapping[str, Any]) -> Doc:
        return {"Tags": self._change(request["ResourceArn"], lambda _: None).get("_tags", [])}

    def delete(self, request: Mapping[str, Any]) -> Doc:
        def remove(doc: Doc) -> None:
            doc["_tags"] = [tag for tag in doc.get("_tags", []) if tag["Key"] not in request["TagKeys"]]

        self._change(request["ResourceArn"], remove)
        return {}

    def _change(self, arn: str, edit: Any) -> Doc:
        kind, _, name = arn.rpartition(":")[2].partition("/")
        found = self._store.select("kind = ? AND lower(name) = ?", (kind, name.lower()), limit=1)
        try:
            return self._store.change(kind, found[0].name if found else "", edit)
        except MissingError as error:
            raise refusals.RESOURCE_MISSING(arn=arn) from error
