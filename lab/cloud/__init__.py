"""The lab's AWS: moto over HTTP, with what it lacks added and with the refusals that AWS has and moto has not."""
