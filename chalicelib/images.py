"""Where SageMaker's own framework images stand: one registry account for each region.

Accounts and versions: "Docker Registry Paths and Example Code" in the SageMaker documentation, section Scikit-learn.
"""

from __future__ import annotations

from chalicelib.errors import RefusedError

VERSIONS = ("0.20.0", "0.23-1", "1.0-1", "1.2-1")

_ACCOUNTS = {
    "af-south-1": "510948584623",
    "ap-east-1": "651117190479",
    "ap-northeast-1": "354813040037",
    "ap-northeast-2": "366743142698",
    "ap-northeast-3": "867004704886",
    "ap-south-1": "720646828776",
    "ap-south-2": "628508329040",
    "ap-southeast-1": "121021644041",
    "ap-southeast-2": "783357654285",
    "ap-southeast-3": "951798379941",
    "ap-southeast-4": "106583098589",
    "ca-central-1": "341280168497",
    "cn-north-1": "450853457545",
    "cn-northwest-1": "451049120500",
    "eu-central-1": "492215442770",
    "eu-central-2": "680994064768",
    "eu-north-1": "662702820516",
    "eu-south-1": "978288397137",
    "eu-south-2": "104374241257",
    "eu-west-1": "141502667606",
    "eu-west-2": "764974769150",
    "eu-west-3": "659782779980",
    "me-central-1": "272398656194",
    "me-south-1": "801668240914",
    "sa-east-1": "737474898029",
    "us-east-1": "683313688378",
    "us-east-2": "257758044811",
    "us-gov-east-1": "237065988967",
    "us-gov-west-1": "414596584902",
    "us-west-1": "746614075791",
    "us-west-2": "246618743249",
}


def framework_image(framework: str | None, version: str, region: str) -> str:
    """Give the URI of the image that trains and serves; RefusedError says what is known where it is none of ours."""
    if framework != "sklearn":
        raise RefusedError(f'There is no image for the framework "{framework}"; the one known is "sklearn".')
    if version not in VERSIONS:
        raise RefusedError(f'There is no scikit-learn image of version "{version}"; there are {", ".join(VERSIONS)}.')
    account = _ACCOUNTS.get(region)
    if account is None:
        raise RefusedError(
            f'SageMaker publishes no scikit-learn image for the region "{region}"; it does for {", ".join(_ACCOUNTS)}.'
        )
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"{account}.dkr.ecr.{region}.{suffix}/sagemaker-scikit-learn:{version}-cpu-py3"
