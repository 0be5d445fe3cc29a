"""The executor: the only one who takes liquidity."""
