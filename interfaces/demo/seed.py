"""Customers and staff to begin with, and the text that tells a newcomer where to look."""

from decimal import Decimal

from domain.errors import Refusal
from infrastructure.people import Role
from infrastructure.settings import Settings
from interfaces.cli.users import create_user
from interfaces.demo.outside import Outside

PASSWORD = "daybook-demo"  # noqa: S105  printed on the terminal, for a Daybook on a loopback address
CUSTOMERS = (("alice@example.com", "Alice Example"), ("bob@example.com", "Bob Example"))
ADMIN = "admin@example.com"
COMPLIANCE = "compliance@example.com"
STAKE = Decimal("250000.00")


def seed_demo(base_url: str, settings: Settings) -> str:
    """Make the demo's people unless they are there, and answer the banner to print."""
    _staff(settings, ADMIN, "Demo Admin", "admin")
    _staff(settings, COMPLIANCE, "Demo Examiner", "compliance")
    for email, full_name in CUSTOMERS:
        _customer(base_url, email, full_name)
    return banner(base_url, settings)


def _staff(settings: Settings, email: str, full_name: str, role: Role) -> None:
    try:
        create_user(settings, email=email, full_name=full_name, role=role, password=PASSWORD)
    except Refusal as refusal:
        if refusal.code != "email_must_not_be_taken":
            raise


def _customer(base_url: str, email: str, full_name: str) -> None:
    customer = Outside(base_url)
    try:
        customer.register(email, PASSWORD, full_name)
        # The key makes it one deposit, however often the demo is started.
        customer.post("/api/v1/wallet/deposit", {"amount": f"{STAKE:.2f}"}, key="demo-stake")
    finally:
        customer.close()


def _elsewhere(base_url: str) -> str:
    """What `make demo` must be told when this is not where it looks by itself."""
    port = base_url.rpartition(":")[2]
    return "" if port == "8000" else f' ARGS="--port {port}"'


def _prices(settings: Settings) -> str:
    """Where the prices come from, as a sentence."""
    if settings.market_source == "simulated":
        return f"The prices of {settings.market_symbols:,} symbols are simulated."
    if settings.market_path:
        return f"What is in {', '.join(settings.market_path)} is being replayed."
    return "Real daily prices of AAPL, FB, GOOG, IBM and MSFT are being replayed."


def banner(base_url: str, settings: Settings) -> str:
    """What a newcomer reads first. Every simulated market has AAPL; a folder of one's own need not have IBM."""
    symbol = "AAPL" if settings.market_source == "simulated" else "IBM"
    return f"""
Daybook is running. {_prices(settings)}

  API            {base_url}/api/v1
  API reference  {base_url}/docs
  Health         {base_url}/health

  Customers      {CUSTOMERS[0][0]}, {CUSTOMERS[1][0]}   with {STAKE:,.2f} dollars each
  Staff          {ADMIN}, {COMPLIANCE}
  Password       {PASSWORD}   (for all of them)

Place an order:

  TOKEN=$(curl -s {base_url}/api/v1/auth/login -H 'Content-Type: application/json' \\
    -d '{{"email":"{CUSTOMERS[0][0]}","password":"{PASSWORD}"}}' \\
    | python3 -c 'import json,sys; print(json.load(sys.stdin)["access_token"])')
  curl -s {base_url}/api/v1/orders -H "Authorization: Bearer $TOKEN" \\
    -H 'Content-Type: application/json' -H 'Idempotency-Key: my-first-order' \\
    -d '{{"symbol":"{symbol}","side":"buy","type":"market","quantity":"10"}}'

A narrated trading day, from another terminal: make demo{_elsewhere(base_url)}
Ctrl-C ends everything; the next start finds it as it was.
"""
