"""The local clock, holidays and events, and what they do to demand."""
