"""The language all Huying services and their publishers speak: envelope, topics and event models.

Depends on pydantic only, so that another government system can install it alone. It knows no broker, no
database and no clock.
"""
