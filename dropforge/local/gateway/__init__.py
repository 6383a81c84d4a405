"""The HTTP door of a deployed API: API Gateway's REST API, as far as Lambda proxy integrations go."""
