"""The saga monitor: what operators see of the sagas of all tenants, and what they may do about one."""
