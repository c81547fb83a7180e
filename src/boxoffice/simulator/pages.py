"""The hosted pages: where a buyer gives a card, and where a buyer answers the bank. Pure: text from objects."""

from html import escape

from boxoffice.simulator.objects import Object

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>%(title)s</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: #f2f4f8; color: #16202e }
main { width: min(26rem, calc(100vw - 2rem)); box-sizing: border-box; padding: 2rem; border-radius: 1rem;
       background: #fff; box-shadow: 0 10px 40px #16202e1f }
h1 { margin: 0 0 .25rem; font-size: 1.25rem } p { margin: 0 0 1rem; color: #556273 }
strong { display: block; margin: 1rem 0; font-size: 2rem; color: #16202e }
button, a { display: block; width: 100%%; box-sizing: border-box; margin-top: .75rem; padding: .8rem;
       border: 1px solid #c5cedb; border-radius: .6rem; background: none; color: inherit; font: inherit;
       text-align: center; text-decoration: none; cursor: pointer }
button.main { border-color: #1a5fd0; background: #1a5fd0; color: #fff; font-weight: 600 }
p[role=alert] { padding: .7rem .9rem; border-radius: .6rem; background: #fdecea; color: #8c1d18; font-weight: 600 }
button:focus-visible, a:focus-visible { outline: 3px solid #1a5fd0; outline-offset: 2px }
@media (prefers-color-scheme: dark) {
  body { background: #10161f; color: #e7ecf3 } main { background: #1a2330 } p { color: #a5b1c2 }
  p[role=alert] { background: #4a1512; color: #ffdad6 } strong { color: #fff } button, a { border-color: #44546a } }
</style></head><body><main>
<h1>%(title)s</h1><p>This is a simulator: it moves no money and takes no real card.</p>
<p>%(about)s</p><strong>%(amount)s</strong>
%(choice)s
</main></body></html>
"""
CHOICES = (  # payment method → what its button says
    ("pm_card_visa", "Pay with a good card"),
    ("pm_card_authenticationRequired", "Pay with 3-D Secure"),
    ("pm_card_chargeDeclined", "Pay with a card that is declined"),
    ("pm_card_chargeDeclinedInsufficientFunds", "Pay with an empty card"),
    ("pm_sim_slow", "Pay with a slow card"),
)
METHODS = frozenset(method for method, _ in CHOICES)
WHOLE_UNITS = frozenset({"jpy", "krw", "clp", "isk", "vnd", "xaf", "xof"})


def checkout(session: Object, description: str, problem: str | None) -> str:
    """Where the buyer chooses a card; afterwards, the way back."""
    amount, currency = session["amount_total"], session["currency"]
    if session["status"] != "open":
        return _page("Checkout", description, amount, currency, _done(session["cancel_url"]))
    buttons = "".join(
        f'<button name="payment_method" value="{method}"{" class=main" if place == 0 else ""}>{label}</button>'
        for place, (method, label) in enumerate(CHOICES)
    )
    said = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    leave = f'<a href="{escape(session["cancel_url"] or "#")}">Leave without paying</a>'
    choice = f'{said}<form method="post">{buttons}</form>{leave}'
    return _page("Checkout", description, amount, currency, choice)


def bank(intent: Object) -> str:
    """Where the buyer approves a payment (3-D Secure)."""
    action = intent["next_action"]
    if action is None:
        choice = '<p role="status">This payment has been decided.</p>'
    else:
        back = escape(action["redirect_to_url"]["return_url"] or "#")
        choice = (
            '<form method="post"><button class="main" name="decision" value="approve">Approve</button>'
            f'<button name="decision" value="decline">Decline</button></form><a href="{back}">Leave undecided</a>'
        )
    return _page("Your bank asks", intent["description"] or "", intent["amount"], intent["currency"], choice)


def _done(url: str | None) -> str:
    return f'<p role="status">This page is closed.</p><a href="{escape(url or "#")}">Back</a>'


def _page(title: str, about: str, amount: int, currency: str, choice: str) -> str:
    money = f"{amount:,}" if currency in WHOLE_UNITS else f"{amount / 100:,.2f}"
    return PAGE % {
        "title": title, "about": escape(about), "amount": f"{money} {escape(currency.upper())}", "choice": choice,
    }  # fmt: skip
