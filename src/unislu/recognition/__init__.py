"""Audio in, results out: what is asked for, the recogniser, long recordings, and the public `Model`."""
