"""Three tiers over a fixture with spot interruptions: static mix, target tracking and foresight beside ours."""
