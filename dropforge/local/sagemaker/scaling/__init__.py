"""Application Auto Scaling, as far as it scales the variants of endpoints."""
