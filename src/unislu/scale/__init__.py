"""Thousands of hours: files from anywhere, transcribed by many processes or machines, into Parquet.

sources     what to transcribe: paths, globs, manifests, object storage → `Input`
ledger      what has been transcribed: the committed partitions of the output folder
packing     inputs → batches of similar length
supervisor  one model in one process that may crash or hang without harm
local       supervisors on this machine
cluster     supervisors in the actors of a Ray cluster
run         where these come together
"""
