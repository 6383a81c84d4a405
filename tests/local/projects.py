"""A small project of its own for tests: handlers that write down what they were given, and a template around them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

APP = """
import json, os, pathlib, time
from chalice.app import Chalice, IAMAuthorizer, Response

app = Chalice("tiny", configure_logs=False)
app.api.binary_types.append("image/webp")
SEEN = pathlib.Path(__file__).parent / "seen"

def note(name, what):
    SEEN.mkdir(exist_ok=True)
    with (SEEN / name).open("a") as out:
        out.write(json.dumps(what) + "\\n")

@app.route("/v1/health")
def health():
    told = {"Namespace": "Dropforge", "Dimensions": [["stage", "kind"]], "Metrics": [{"Name": "Asked"}]}
    line = {"_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [told]}, "step": "health"}
    print(json.dumps(line | {"outcome": "done", "stage": "dev", "kind": "health", "Asked": 1}))
    return {"ok": True}

@app.route("/v1/things/{name}", authorizer=IAMAuthorizer())
def thing(name):
    return {"name": name, "query": app.current_request.query_params}

@app.route("/v1/guarded", methods=["POST"], api_key_required=True, content_types=["image/png"])
def guarded():
    return {"size": len(app.current_request.raw_body)}

@app.on_cw_event({"source": ["aws.sagemaker"], "detail": {"TrainingJobName": [{"prefix": "tiny-dev-"}]}})
def on_job_changed(event):
    note("jobs", event.to_dict())
    if event.detail["TrainingJobName"] == "tiny-dev-bad":
        raise ValueError("no good")

@app.schedule("rate(1 minute)")
def reconcile(event):
    note("ticks", event.to_dict())

@app.on_sqs_message(queue="replaced-by-the-template", batch_size=100)
def on_uploads(event):
    seen = event.to_dict()
    note("batches", seen)
    bad = [each["messageId"] for each in seen["Records"] if "poison" in each["body"]]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in bad]}
"""

TEMPLATE: dict[str, Any] = {
    "Globals": {"Function": {"Environment": {"Variables": {"TINY_BUCKET": {"Ref": "Bucket"}}}}},
    "Resources": {
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "BucketName": {"Fn::Sub": "${AWS::StackName}-bucket"},
                "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
            },
        },
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            },
        },
        "Dead": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Sub": "${AWS::StackName}-dead"}}},
        "Uploads": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "QueueName": {"Fn::Sub": "${AWS::StackName}-uploads"},
                "VisibilityTimeout": 60,
                "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 3},
            },
        },
        "UploadsPolicy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [{"Ref": "Uploads"}],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "events.amazonaws.com"},
                            "Action": "sqs:SendMessage",
                            "Resource": {"Fn::GetAtt": ["Uploads", "Arn"]},
                        }
                    ],
                },
            },
        },
        "UploadsRule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventPattern": {
                    "source": ["aws.s3"],
                    "detail-type": ["Object Created"],
                    "detail": {"bucket": {"name": [{"Ref": "Bucket"}]}, "object": {"key": [{"prefix": "datasets/"}]}},
                },
                "Targets": [{"Id": "uploads", "Arn": {"Fn::GetAtt": ["Uploads", "Arn"]}}],
            },
        },
        "OnUploads": {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "Events": {
                    "OnUploadsSqsEventSource": {
                        "Type": "SQS",
                        "Properties": {
                            "Queue": {"Fn::Sub": "${Uploads.Arn}"},
                            "BatchSize": 100,
                            "MaximumBatchingWindowInSeconds": 1,
                            "FunctionResponseTypes": ["ReportBatchItemFailures"],
                            "ScalingConfig": {"MaximumConcurrency": 2},
                        },
                    }
                }
            },
        },
        "OnJobChanged": {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "EventInvokeConfig": {
                    "DestinationConfig": {"OnFailure": {"Type": "SQS", "Destination": {"Fn::GetAtt": ["Dead", "Arn"]}}}
                }
            },
        },
        "NotFound": {
            "Type": "AWS::ApiGateway::GatewayResponse",
            "Properties": {
                "RestApiId": {"Ref": "RestAPI"},
                "ResponseType": "MISSING_AUTHENTICATION_TOKEN",
                "StatusCode": "404",
                "ResponseTemplates": {
                    "application/json": '{"code":"not-found","request_id":"$context.requestId",'
                    '"detail":$context.error.messageString}'
                },
                "ResponseParameters": {"gatewayresponse.header.Content-Type": "'application/problem+json'"},
            },
        },
        "Key": {
            "Type": "AWS::ApiGateway::ApiKey",
            "DependsOn": "RestAPIapiStage",
            "Properties": {"Enabled": True, "StageKeys": [{"RestApiId": {"Ref": "RestAPI"}, "StageName": "api"}]},
        },
        "Plan": {
            "Type": "AWS::ApiGateway::UsagePlan",
            "DependsOn": "RestAPIapiStage",
            "Properties": {"ApiStages": [{"ApiId": {"Ref": "RestAPI"}, "Stage": "api"}]},
        },
        "PlanKey": {
            "Type": "AWS::ApiGateway::UsagePlanKey",
            "Properties": {"KeyId": {"Ref": "Key"}, "KeyType": "API_KEY", "UsagePlanId": {"Ref": "Plan"}},
        },
    },
    "Outputs": {
        "BucketName": {"Value": {"Ref": "Bucket"}},
        "TableName": {"Value": {"Ref": "Table"}},
        "ApiKeyId": {"Value": {"Ref": "Key"}},
    },
}


def make_project(folder: Path, *, prefix: str = "tiny", app: str = APP) -> Path:
    """Write the project; its stack is `<prefix>-dev`."""
    for part in (".chalice", "infra", "chalicelib"):
        (folder / part).mkdir(parents=True)
    (folder / "app.py").write_text(app)
    variables = {"DROPFORGE_PREFIX": prefix}
    config = {
        "version": "2.0",
        "app_name": "tiny",
        "stages": {"dev": {"api_gateway_stage": "api", "environment_variables": variables}},
    }
    (folder / ".chalice" / "config.json").write_text(json.dumps(config))
    write_template(folder, TEMPLATE)
    return folder


def write_template(project: Path, template: dict[str, Any]) -> None:
    # JSON is YAML.
    (project / "infra" / "template.yaml").write_text(json.dumps(template))


def seen(project: Path, name: str) -> list[Any]:
    """Read what a handler wrote down."""
    file = project / "seen" / name
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
