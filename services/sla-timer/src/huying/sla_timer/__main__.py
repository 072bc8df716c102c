"""`python -m huying.sla_timer` runs the service."""

from huying.chassis.service import serve

from .main import create_app

if __name__ == "__main__":
    serve(create_app)
