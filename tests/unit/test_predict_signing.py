from __future__ import annotations

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.predict.signing import Credentials, Scope, signed

_VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
_NAMES = st.from_regex(r"\Ax-[a-z-]{1,20}\Z").filter(lambda name: name not in {"x-amz-date", "x-amzn-trace-id"})


@given(
    body=st.binary(max_size=200),
    extra=st.dictionaries(_NAMES, _VALUES, max_size=4),
    name=st.from_regex(r"\A[a-z0-9](-?[a-z0-9]){0,30}\Z"),
    token=st.sampled_from(["", "a/session+token=="]),
    now=st.integers(0, 4_000_000_000),
)
def test_a_signature_is_the_one_that_botocore_makes(
    body: bytes, extra: dict[str, str], name: str, token: str, now: int
) -> None:
    path = f"/endpoints/{name}/invocations"
    headers = {"host": "runtime.sagemaker.eu-west-1.amazonaws.com", "content-type": "image/png", **extra}
    credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token)

    mine = signed(path, headers, body, scope=Scope("eu-west-1", "sagemaker"), credentials=credentials, now=now)

    assert mine["authorization"].endswith(f"Signature={_signature_of_botocore(path, mine, body)}")
    assert mine.get("x-amz-security-token", "") == token


def _signature_of_botocore(path: str, headers: dict[str, str], body: bytes) -> str:
    """Sign what was sent with botocore's own methods, at the moment that the headers name."""
    sent = {name: value for name, value in headers.items() if name != "authorization"}
    request = AWSRequest("POST", f"https://{headers['host']}{path}", headers=sent, data=body)
    request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(
        BotoCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), "sagemaker", "eu-west-1"
    )
    return str(auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request))
