"""What an approval is bound to, and what a standing envelope allows."""
