"""The parts for background work and for admins: the bill, the jobs, keys, config."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gateway.wiring.calls import Calls
from gateway.wiring.once import once

if TYPE_CHECKING:
    from gateway.billing.alerts import Alerts
    from gateway.billing.consumer import Rollup
    from gateway.billing.reports import Reports
    from gateway.billing.sessions.bills import SessionBills
    from gateway.billing.statements import Billing
    from gateway.breakers.admin import BreakerAdmin
    from gateway.catalogue.admin import ProductAdmin
    from gateway.config.admin import ConfigAdmin
    from gateway.keys.keys import Keys
    from gateway.keys.teams import Teams
    from gateway.keys.users import Users
    from gateway.ledger.closing.reconcile import Reconciler
    from gateway.ledger.closing.sweeper import Sweeper


class Duties(Calls):
    """The parts for background work and for admins."""

    @once
    def rollup(self) -> Rollup:
        from gateway.billing.consumer import Rollup
        from gateway.billing.counting import Counting
        from gateway.billing.last_used import LastUsed
        from gateway.billing.parked_store import ParkedStore
        from gateway.health.observed import Observed

        parked = ParkedStore(self.database, self.settings.table("state"))
        after = (LastUsed(self.use_store).note, Observed(self.health_store).note, self.alerts.check)
        return Rollup(Counting(self.usage_store), parked, after=after)

    @once
    def alerts(self) -> Alerts:
        from gateway.billing.alerts import Alerts
        from gateway.billing.alerts_store import AlertStore, Topic

        config = self.settings
        topic = Topic(self.http("sns"), config.budget_topic_arn) if config.budget_topic_arn else None
        claims = AlertStore(self.database, config.table("state"))
        return Alerts(self.limits_store, claims, topic.publish if topic else lambda _subject, _text: None, time.time)

    @once
    def billing(self) -> Billing:
        from gateway.billing.statements import Billing

        return Billing(self.row_store, self.usage_store, self.key_store)

    @once
    def reports(self) -> Reports:
        from gateway.billing.reports import Reports

        return Reports(self.usage_store)

    @once
    def session_bills(self) -> SessionBills:
        from gateway.billing.sessions.bills import SessionBills
        from gateway.billing.sessions.store import SessionStore

        return SessionBills(SessionStore(self.database, self.settings.table("usage")), self.key_store, self.marks)

    @once
    def sweeper(self) -> Sweeper:
        from gateway.ledger.closing.sweep_store import SweepCursor
        from gateway.ledger.closing.sweeper import Sweeper

        cursor = SweepCursor(self.database, self.settings.table("state"))
        return Sweeper(self.row_store, self.limits_store, cursor, lambda: time.time_ns() // 1_000)

    @once
    def reconciler(self) -> Reconciler:
        from gateway.ledger.closing.reconcile import Reconciler

        return Reconciler(self.limits_store, self.row_store, lambda: time.time_ns() // 1_000)

    @once
    def keys(self) -> Keys:
        from gateway.keys.keys import Keys

        tiers = lambda tier: self.config_source.get().tier(tier)  # noqa: E731
        return Keys(self.key_store, self.limits_store, tiers, targets=self.target_of)

    @once
    def teams(self) -> Teams:
        from gateway.keys.teams import Teams

        return Teams(self.key_store, self.limits_store)

    @once
    def users(self) -> Users:
        from gateway.keys.users import Users

        return Users(self.key_store, self.limits_store)

    @once
    def config_admin(self) -> ConfigAdmin:
        from gateway.config.admin import ConfigAdmin

        config = self.settings
        return ConfigAdmin(self.config_store, self.prices, config.providers, config.model_region, self.destinations)

    @property
    def breaker_admin(self) -> BreakerAdmin:
        """Made at each use, since the providers in the config change."""
        from gateway.breakers.admin import BreakerAdmin

        return BreakerAdmin(self.breaker_store, self.vendors.names())

    @once
    def product_admin(self) -> ProductAdmin:
        from gateway.catalogue.admin import ProductAdmin

        return ProductAdmin(self.product_store)
