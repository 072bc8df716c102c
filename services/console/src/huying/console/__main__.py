"""`python -m huying.console`: runs the service until it is told to stop."""

from huying.chassis.service import serve

from .main import create_app

if __name__ == "__main__":
    serve(create_app)
