"""What the end-to-end tests stand on: real PostgreSQL, real Mosquitto, the real otad, and clients for each."""
