"""Landing: moving records from the journal into the database, exactly once."""

from systemlog.landing.lander import DatabaseDown, Lander
from systemlog.landing.service import LandingService

__all__ = ["DatabaseDown", "Lander", "LandingService"]
