"""A project that bills one property system: its configuration, its plan and its small property in the sandbox."""

from __future__ import annotations

from chargeplan.propexo.vendors import VENDORS, vendor
from tests.e2e.house import House

POSTABLE = [name for name, system in VENDORS.items() if not system.reason and name != "RESMAN"]
# RealPage gives the transaction batch; without it nothing can be posted.
OWN_KEYS = {"REALPAGE_RPX": "transaction_batch_id: RPX-2027-A"}

CONFIG = """\
version: 1
environment: live
environments:
  live:
    api: {url}
    token_env: PROPEXO_TOKEN
    journal: .chargeplan/x.db
    requests_per_minute: 100000
integrations:
  main:
    id: {slug}-integration-1
    vendor: {vendor}
{keys}
properties:
  row: {{id: {slug}-property-b, integration: main}}
plans: [plans/*.yaml]
timezone: America/Chicago
posting: {{batch_size: {batch_size}}}
{more}"""

# Seven units or so, one line each.
PLAN = """\
version: 1
plan: row
integration: main
properties: [row]
defaults: {{{defaults}}}
charges:
  amenity:
    code: {code}
    amount: 25.00
    schedule: {{every: month, day: 1}}
    after_lease_end: continue
"""


class Estate(House):
    """A house of another property system than ResMan."""

    def __init__(self, folder, state, url, name: str, **keys) -> None:
        self.name, self.slug, self.keys = name, name.lower().replace("_", "-"), keys
        super().__init__(folder, state, url)

    @property
    def integration_id(self) -> str:
        return f"{self.slug}-integration-1"

    def config(self, more: str = "", *, batch_size: int = 4, keys: dict[str, str] | None = None, **_) -> None:
        written = [f"{key}: {value}" for key, value in (keys or self.keys).items()]
        written += [OWN_KEYS[self.name]] if self.name in OWN_KEYS else []
        text = CONFIG.format(
            url=self.url, slug=self.slug, vendor=self.name, batch_size=batch_size, more=more,
            keys="\n".join(f"    {line}" for line in written),
        )  # fmt: skip
        (self.folder / "chargeplan.yaml").write_text(text)

    def write(self, text: str = "", name: str = "row.yaml") -> None:
        account = 'account: "4090"' if vendor(self.name).needs_account else ""
        code = '"4090"' if vendor(self.name).code == "account" else "Amenity Fee"
        super().write(
            PLAN.format(defaults=account, code=code)
            if "charges" not in text or "oak-street" in text
            else text,
            name,
        )

    def behave(self, **behaviour) -> None:
        """Change how the system behaves."""
        self.state.configure(systems={self.integration_id: behaviour})
