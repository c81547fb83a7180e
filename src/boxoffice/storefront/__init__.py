"""The shop window: server-rendered pages for buyers, which read the other services' APIs as the buyer would.

Read in this order: `service` (the pages on one screen), `api` (what each page asks for), `views` (answers turned
into words, pure), `session` (cookies), then `art`, `theme`, `words` and the templates.
"""
