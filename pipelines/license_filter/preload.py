"""Imported by the fork server of worker processes: loads once what every part needs."""

from pipelines.license_filter.step import warm_up

warm_up()
