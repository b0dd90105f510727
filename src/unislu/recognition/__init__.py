"""Audio in, results out: requests, the recogniser, long recordings, and the public `Model`."""
