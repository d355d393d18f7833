"""Three tiers over a fixture with spot losses: static mix, target tracking and foresight beside ours."""
