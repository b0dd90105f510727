"""Servers for other programs.

HTTP and Wyoming: `unislu serve` (docs/how-to/serve.md, docs/reference/http.md). Needs the extra `server`.
Tools of the Model Context Protocol: `unislu mcp`, in the package `mcp`. Needs the extra `mcp`.

uploads   → a request's body on disk, within limits
decoding  → a worker process turns the upload into 16 kHz mono, within limits
batching  → one thread owns the model; requests with the same options are transcribed together
routes    → OpenAI's endpoints, our own, jobs kept in SQLite, a websocket, the web page
"""

from __future__ import annotations
