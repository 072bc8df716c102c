"""The hotline bridge: orders of origin systems and alarms of devices become reports, and their standing goes back."""
