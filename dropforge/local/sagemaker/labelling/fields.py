"""Members of the requests of labelling jobs that have no effect here, and those that are refused, with the reason."""

from __future__ import annotations

from collections.abc import Mapping

UNUSED: Mapping[str, str] = {
    "HumanTaskConfig": "nobody at home is asked; it is checked and told",
    "InputConfig.DataAttributes": "nobody at home is shown anything; it is kept and told",
    "LabelCategoryConfigS3Uri": "nobody at home is asked; it is kept and told",
    "OutputConfig.KmsKeyId": "nothing on this machine is encrypted",
    "StoppingConditions": "who writes the output manifest says when it is enough; they are kept and told",
}
REFUSED: Mapping[str, str] = {
    "InputConfig.DataSource.SnsDataSource": "a job reads one manifest",
    "LabelingJobAlgorithmsConfig": "nothing here learns to label",
    "OutputConfig.SnsTopicArn": "a job writes one manifest",
}
