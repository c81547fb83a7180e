"""Notifications: tells people what happened, by mail, once, and without ever holding up what happened.

The story of a mail. A message arrives, `domain.py` says who is told and with which template and values, and a row is
written together with a timer; the same message never makes a second row for the same recipient. The sender
`notifications.send` fills the template and hands the mail to the mail server, outside any transaction. A server that is
down costs patience, not mails: they are tried again with growing pauses, and what still fails in the end stays here
as DEAD with its last error. If the process dies between the server's "250" and our commit, that one mail is sent
again, under the same Message-ID, by which mail programs recognise a repeat. Without a mail server all mail is kept
for the page /dev/mail, in the same transaction, so exactly once.

Read `domain.py`, `templates/` with `rendering.py`, `service.py` (the doors), `actions.py`, `sending.py`, `sender.py`.
"""
