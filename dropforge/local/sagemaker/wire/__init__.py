"""SageMaker's wire: a request read and checked by the service's own model, and who performs it."""
