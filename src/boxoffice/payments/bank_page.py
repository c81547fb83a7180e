"""The page on which a buyer approves or declines a payment at the simulated bank."""

from html import escape

WHOLE_UNITS = frozenset({"JPY", "KRW", "CLP", "ISK", "VND", "XAF", "XOF"})

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Approve the payment</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: #f2f4f8; color: #16202e }
main { width: min(26rem, calc(100vw - 2rem)); box-sizing: border-box; padding: 2rem; border-radius: 1rem;
       background: #fff; box-shadow: 0 10px 40px #16202e1f }
h1 { margin: 0 0 .25rem; font-size: 1.25rem } p { margin: 0 0 1rem; color: #556273 }
strong { display: block; margin: 1rem 0; font-size: 2rem; color: #16202e }
button, a.back { display: block; width: 100%%; box-sizing: border-box; margin-top: .75rem; padding: .8rem;
       border: 1px solid #c5cedb; border-radius: .6rem; background: none; color: inherit; font: inherit;
       text-align: center; text-decoration: none; cursor: pointer }
button.main { border-color: #1a5fd0; background: #1a5fd0; color: #fff; font-weight: 600 }
button:focus-visible, a:focus-visible { outline: 3px solid #1a5fd0; outline-offset: 2px }
@media (prefers-color-scheme: dark) {
  body { background: #10161f; color: #e7ecf3 } main { background: #1a2330 } p { color: #a5b1c2 }
  strong { color: #fff } button, a.back { border-color: #44546a } }
</style></head><body><main>
<h1>Test bank</h1><p>This bank moves no money.</p>
<p>%(merchant)s asks for the payment of booking %(description)s.</p><strong>%(amount)s</strong>
%(choice)s
</main></body></html>
"""
CHOICE = """<form method="post">
<button class="main" name="decision" value="approve">Approve</button>
<button name="decision" value="decline">Decline</button>
</form>"""
DECIDED = """<p role="status">This payment has been decided.</p><a class="back" href="%(url)s">Back to the order</a>"""


def render(
    *, merchant: str, description: str, amount_minor: int, currency: str, waiting: bool, return_url: str
) -> str:  # fmt: skip
    choice = CHOICE if waiting else DECIDED % {"url": escape(return_url)}
    amount = f"{amount_minor:,} {currency}" if currency in WHOLE_UNITS else f"{amount_minor / 100:,.2f} {currency}"
    return PAGE % {
        "merchant": escape(merchant), "description": escape(description), "amount": escape(amount), "choice": choice,
    }  # fmt: skip
