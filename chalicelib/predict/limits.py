"""The platform's limits that a prediction meets, each with its source."""

BODY_LIMIT = 4_500_000
"""Bytes of an image. Lambda takes 6 MB (6,291,456 bytes) in a synchronous call, the gateway's event and all, and base64
makes three bytes four: 4,500,000 become 6,000,000, and the rest of the event fits beside them.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

DEADLINE = 27.0
"""Seconds for the table and the endpoint together: the gateway gives up after 29.
https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""

SERVING_SECONDS = 5.0
"""How long what is live may be remembered: a rollout is met this late; a table that is away is not asked more often."""
