"""Hosting: models, configurations and endpoints, the servers behind them, and those who ask them."""
