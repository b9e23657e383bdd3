"""Classical methods that the network is compared with."""
