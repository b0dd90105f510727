"""A server of the Model Context Protocol: a language model's tools over recordings and results.

folders  → which paths it may name
search   → what is said in the results of `unislu batch`
tools    → what the tools do, without the protocol
server   → the tools over the official SDK
"""
