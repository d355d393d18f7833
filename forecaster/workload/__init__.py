"""What requests cost: vCPU time, memory and network, learned from utilisation and parameters."""
